import Redaction

extension Redactor {
    /// The storable form of a body: decoded, redacted, and limited to its first `limit` octets. If `isComplete` is
    /// false, an end that may be the beginning of a secret is left out.
    func body(_ octets: [UInt8], type: String?, encoding: String?, isComplete: Bool, limit: Int) -> StoredBody {
        var body = StoredBody()
        body.type = type.map { String(decoding: text(Array($0.utf8), type: nil).octets, as: UTF8.self) }
        body.encoding = encoding.map { String(decoding: text(Array($0.utf8), type: nil).octets, as: UTF8.self) }
        guard
            let plain = BodyDecoding.decode(octets, encoding: encoding, isComplete: isComplete, limit: limit)
        else {
            body.unreadable = body.encoding
            return body
        }
        let redacted = text(plain.octets, type: type, isComplete: plain.isComplete)
        body.kept = redacted.octets
        body.redactions = redacted.redactions
        body.decodedSize = plain.size
        body.isCut = plain.isCut
        return body
    }
}
