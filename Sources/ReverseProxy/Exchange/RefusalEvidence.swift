import EventIO
import HTTP1

/// The part of a request that made Squire refuse it: Host, origin or target. For the log: short, on one line, and
/// without secrets. Allocates, so it is for refused requests only.
struct RefusalEvidence {
    let secrets: KnownSecrets

    /// The maximum number of characters shown of a value.
    private static let limit = 100

    /// Evidence from a request that was parsed; `bytes` are what `head` was parsed from.
    func of(_ problem: Problem, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer) -> String? {
        let fields = { (names: [(FieldName, String)]) -> [String] in
            names.flatMap { id, name in
                head.fields.filter { $0.id == id }.map { "\(name) \(shown(bytes[$0.value.range]))" }
            }
        }
        let found: [String]
        switch problem.code {
        case .methodNotAllowed:
            return "\(shown(bytes[head.methodRange.range])) \(shown(bytes[head.target.range]))"
        case .wrongKey:
            return head.names.contains(.squireKey) ? "another X-Squire-Key" : "no X-Squire-Key"
        case .misdirectedRequest:
            let target = head.form == .absolute ? ["target at \(shown(bytes[head.authority.range]))"] : []
            found = target + fields([(.host, "Host")])
        case .forbiddenOrigin:
            let page = fields([
                (.origin, "Origin"), (.secFetchSite, "Sec-Fetch-Site"), (.secPurpose, "Sec-Purpose"),
                (.purpose, "Purpose"),
            ])
            found = page.isEmpty ? fields([(.host, "Host"), (.userAgent, "User-Agent")]) : page
        default:
            return nil
        }
        return found.isEmpty ? nil : found.joined(separator: ", ")
    }

    /// The first line of bytes that are not a request, if it looks like a request line: the log can then show a method
    /// and a target.
    static func firstLine(_ bytes: UnsafeRawBufferPointer) -> FirstLine? {
        let line = bytes.prefix(firstLineLimit).drop { Octet.isEnd($0) }.prefix { !Octet.isEnd($0) }
        let method = line.prefix(while: Octet.isToken)
        guard (1...20).contains(method.count), method.endIndex < line.endIndex, bytes[method.endIndex] == Octet.space
        else { return nil }
        let target = line[(method.endIndex + 1)...].prefix { $0 != Octet.space }
        let rest = line[target.endIndex...].dropFirst()
        // Other protocols have verbs, too, followed by passwords.
        guard target.first == UInt8(ascii: "/") || rest.starts(with: "HTTP/".utf8) else { return nil }
        return FirstLine(
            method: UnsafeRawBufferPointer(rebasing: method).assumingMemoryBound(to: UInt8.self),
            target: UnsafeRawBufferPointer(rebasing: target).assumingMemoryBound(to: UInt8.self),
            whole: UnsafeRawBufferPointer(rebasing: line)
        )
    }

    struct FirstLine {
        let method: UnsafeBufferPointer<UInt8>
        let target: UnsafeBufferPointer<UInt8>
        /// Without its line end.
        let whole: UnsafeRawBufferPointer
    }

    /// Evidence from bytes that are not a request.
    func of(_ error: HTTP1Error, _ bytes: UnsafeRawBufferPointer) -> String? {
        switch error {
        case .speaksTLS, .answersTLS, .speaksHTTP2, .headTooLarge, .tooManyFields, .targetTooLong, .bodyTooLarge,
            .unsupportedVersion:
            return nil
        case .unknownExpectation:
            return values(of: "Expect", bytes)
        case .malformed:
            if let name = Self.named.first(where: error.detail.contains) { return values(of: name, bytes) }
            guard Self.firstLine(bytes) == nil else { return nil }
            let word = bytes.prefix(20).prefix { !Octet.isEnd($0) && !Octet.isBlank($0) }
            return word.isEmpty ? nil : "it begins with \(shown(word))"
        }
    }

    /// Fields that an error may be about and whose values are not secret.
    private static let named = ["Host", "Content-Length", "Transfer-Encoding", "Max-Forwards"]
    private static let firstLineLimit = 8 * 1024

    private func values(of name: String, _ bytes: UnsafeRawBufferPointer) -> String? {
        let prefix = Array("\(name.lowercased()):".utf8)
        let values = bytes.split(separator: Octet.lineFeed).dropFirst()
            .filter { $0.count > prefix.count && $0.prefix(prefix.count).map(Octet.lowercase) == prefix }
            .map { shown($0.dropFirst(prefix.count).drop(while: Octet.isBlank).prefix { !Octet.isEnd($0) }) }
        return values.isEmpty ? nil : "\(name) \(values.prefix(4).joined(separator: ", "))"
    }

    private func shown(_ octets: Slice<UnsafeRawBufferPointer>) -> String {
        let scratch = ByteBuffer(capacity: 128)
        let value = UnsafeRawBufferPointer(rebasing: octets).assumingMemoryBound(to: UInt8.self)
        let shown = Redaction.shown(value, secrets: secrets, limit: Self.limit, scratch: scratch)
        return shown.isEmpty ? "(empty)" : String(decoding: shown, as: UTF8.self)
    }
}

extension Octet {
    fileprivate static func isEnd(_ byte: UInt8) -> Bool { byte == carriageReturn || byte == lineFeed }
}
