import HTTP1

/// `METHOD PATH` or `PATH`; in the path `*` stands for one segment and a final `**` for the rest.
///
/// A pattern must be unambiguous: a path with more than one usual reading is refused, and percent-encoding is decoded.
/// Case is ignored, as some servers do; `GET` includes HEAD.
public struct RoutePattern: Sendable, Equatable, CustomStringConvertible {
    /// Why a text is not a pattern: the rest of a sentence about it.
    public struct Malformed: Error, Equatable {
        public let reason: String

        init(_ reason: String) {
            self.reason = reason
        }
    }

    private enum Segment: Sendable, Equatable {
        /// In lower case.
        case literal([UInt8])
        case one
        case rest
    }

    /// Nil stands for every method.
    private let method: [UInt8]?
    private let segments: [Segment]
    public let description: String

    /// Nil if `text` is not a pattern.
    public init?(_ text: String) {
        do { try self.init(parsing: text) } catch { return nil }
    }

    public init(parsing text: String) throws(Malformed) {
        description = text
        var path = Substring(text)
        if let space = text.firstIndex(of: " ") {
            let name = text[..<space]
            guard !name.isEmpty, name.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else {
                throw Malformed("is not METHOD PATH or PATH (* is one segment, a last ** the rest)")
            }
            method = Array(name.utf8)
            path = text[text.index(after: space)...]
        } else {
            method = nil
        }
        guard !path.hasSuffix("//") else { throw Malformed("has an empty segment, which servers may leave out") }
        guard path.hasPrefix("/"), !path.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw Malformed("is not METHOD PATH or PATH (* is one segment, a last ** the rest)")
        }
        // A final slash has no meaning: paths are compared without it.
        if path.utf8.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        var segments: [Segment] = []
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() where path.utf8.count > 1 {
            switch part {
            case "**":
                guard index == parts.count - 1 else { throw Malformed("has ** before its end") }
                segments.append(.rest)
            case "*": segments.append(.one)
            default: segments.append(.literal(try Self.literal(part)))
            }
        }
        self.segments = segments
    }

    /// The pattern that matches exactly `path`, in its plainest reading.
    init(method: String, exactly path: some Collection<UInt8>) {
        self.method = Array(method.utf8)
        let plain = PathReadings.plainest(Array(path))
        segments = plain.split(separator: UInt8(ascii: "/")).map { .literal(PathReadings.lowercase(Array($0))) }
        description = "\(method) \(String(decoding: plain, as: UTF8.self))"
    }

    private static func literal(_ part: Substring) throws(Malformed) -> [UInt8] {
        guard !part.utf8.contains(UInt8(ascii: "*")) else {
            throw Malformed("has a * that is not a whole segment: write %2A for the character itself")
        }
        let written = Array(part.utf8)
        let decoded = PathReadings.decoded(written) ?? written
        if decoded.isEmpty { throw Malformed("has an empty segment, which servers may leave out") }
        if decoded == [0x2E] || decoded == [0x2E, 0x2E] { throw Malformed("has a . or .. segment") }
        let escapes = written.filter { $0 == UInt8(ascii: "%") }.count
        guard decoded.count == written.count - 2 * escapes else {
            throw Malformed("has a % that is not followed by two hexadecimal digits")
        }
        let isPlain = decoded.allSatisfy { $0 > 0x20 && $0 != 0x7F && !"%;\\/?#".utf8.contains($0) }
        guard isPlain else {
            throw Malformed("holds a character that servers read in different ways: one of %;\\?#, a blank or a slash")
        }
        return PathReadings.lowercase(decoded)
    }

    /// The literal segments before the first wildcard, as a path without a final slash, and whether they are the whole
    /// pattern.
    var literalPrefix: (octets: [UInt8], isWhole: Bool) {
        var octets: [UInt8] = []
        for segment in segments {
            guard case .literal(let bytes) = segment else { return (octets, false) }
            octets += [UInt8(ascii: "/")] + bytes
        }
        return (octets, true)
    }

    /// The only request that the pattern matches, its path as it is spelled; nil if the pattern has wildcards. `POST` if
    /// it names no method.
    public var singleRequest: (method: String, path: String)? {
        guard literalPrefix.isWhole else { return nil }
        let path = description.drop { $0 != "/" }
        return (method.map { String(decoding: $0, as: UTF8.self) } ?? "POST", String(path))
    }

    /// Whether it names that very request, which `exact` matches, without a wildcard.
    func names(_ exact: RoutePattern) -> Bool {
        segments == exact.segments && (method == nil || method == exact.method)
    }

    /// Whether the pattern matches a request. `path` is one reading of its path.
    func matches(method name: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> Bool {
        guard matches(method: name) else { return false }
        let octets = path.assumingMemoryBound(to: UInt8.self).span
        var end = octets.count
        // A final slash has no meaning.
        if end > 0, octets[end - 1] == UInt8(ascii: "/") { end -= 1 }
        guard end == 0 || octets[0] == UInt8(ascii: "/") else { return false }
        var offset = 0
        for segment in segments {
            if segment == .rest { return true }
            guard offset < end else { return false }
            offset += 1
            let start = offset
            while offset < end, octets[offset] != UInt8(ascii: "/") { offset += 1 }
            switch segment {
            case .literal(let bytes): guard octets.matches(ByteRange(start, offset), bytes) else { return false }
            case .one: guard offset > start else { return false }
            case .rest: return true
            }
        }
        return offset == end
    }

    /// Method names are case-sensitive (RFC 9110 section 9.1), but not all servers know that.
    private func matches(method name: UnsafeRawBufferPointer) -> Bool {
        guard let method else { return true }
        if Self.equal(name, method) { return true }
        return Self.equal(name, Self.head) && method == Self.get
    }

    private static func equal(_ name: UnsafeRawBufferPointer, _ method: [UInt8]) -> Bool {
        guard name.count == method.count else { return false }
        for index in method.indices where Octet.lowercase(name[index]) != Octet.lowercase(method[index]) {
            return false
        }
        return true
    }

    private static let get = Array("GET".utf8)
    private static let head = Array("HEAD".utf8)
}
