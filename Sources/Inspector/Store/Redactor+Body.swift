import Redaction

extension Redactor {
    /// The body as it may be kept: its content coding taken off, without what is secret in it, of its first `limit`
    /// octets. `isComplete` says that `octets` are all there are: otherwise the end is left out, as far as it may be
    /// the beginning of a secret.
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
