import HTTP1

/// `METHOD PATH` or `PATH`; in the path `*` stands for one segment and a last `**` for the rest.
public struct RoutePattern: Sendable, Equatable, CustomStringConvertible {
    private enum Segment: Sendable, Equatable {
        case literal([UInt8])
        case one
        case rest
    }

    private let method: [UInt8]?
    private let segments: [Segment]
    /// The path, when it holds no wildcard: the common case is one comparison.
    private let literal: [UInt8]?
    public let description: String

    /// Nil when `text` is not a pattern.
    public init?(_ text: String) {
        description = text
        var path = Substring(text)
        if let space = text.firstIndex(of: " ") {
            let name = text[..<space]
            guard !name.isEmpty, name.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else { return nil }
            method = Array(name.utf8)
            path = text[text.index(after: space)...]
        } else {
            method = nil
        }
        guard path.hasPrefix("/"), !path.utf8.contains(where: { $0 <= 0x20 || $0 == 0x3F || $0 == 0x23 }) else {
            return nil
        }
        // A slash at the end says nothing: paths are compared without it.
        while path.hasSuffix("/"), path.utf8.count > 1 { path = path.dropLast() }
        let parts = path.dropFirst().utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        var segments: [Segment] = []
        for (index, part) in parts.enumerated() {
            if part.elementsEqual("**".utf8) {
                guard index == parts.count - 1 else { return nil }
                segments.append(.rest)
            } else if part.elementsEqual("*".utf8) {
                segments.append(.one)
            } else {
                guard !part.contains(UInt8(ascii: "*")) else { return nil }
                segments.append(.literal(Array(part)))
            }
        }
        self.segments = segments
        let isLiteral = segments.allSatisfy { if case .literal = $0 { true } else { false } }
        literal = isLiteral ? Array(path.utf8) : nil
    }

    /// Whether a request is meant. `path` must be plain, see `PlainPath`.
    public func matches(method name: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> Bool {
        if let literal {
            guard path.count == literal.count, path.elementsEqual(literal) else { return false }
            return matches(method: name)
        }
        guard matches(method: name), path.first == UInt8(ascii: "/") else { return false }
        var rest = path.dropFirst()[...]
        for (index, segment) in segments.enumerated() {
            if segment == .rest { return true }
            let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            let part = rest[rest.startIndex..<end]
            switch segment {
            case .literal(let bytes): guard part.elementsEqual(bytes) else { return false }
            case .one: guard !part.isEmpty else { return false }
            case .rest: return true
            }
            let isLast = index == segments.count - 1
            if end == rest.endIndex { return isLast || (index == segments.count - 2 && segments[index + 1] == .rest) }
            rest = rest[(end + 1)...]
            if isLast { return false }
        }
        return rest.isEmpty
    }

    private func matches(method name: UnsafeRawBufferPointer) -> Bool {
        guard let method else { return true }
        return name.count == method.count && name.elementsEqual(method)
    }
}

/// A path as most servers understand it: percent-encoded letters decoded, `//`, dot segments and a slash at the end resolved, parameters
/// of segments (`;name=value`, RFC 3986 section 3.3) left out. Only for deciding; what is forwarded is what the client sent.
public enum PlainPath {
    /// Whether `path` is plain as it is.
    public static func isPlain(_ path: UnsafeRawBufferPointer) -> Bool {
        var wasSlash = false
        for byte in path {
            if byte == UInt8(ascii: "%") || byte == UInt8(ascii: ";") { return false }
            let isSlash = byte == UInt8(ascii: "/")
            if wasSlash, isSlash || byte == UInt8(ascii: ".") { return false }
            wasSlash = isSlash
        }
        return !wasSlash || path.count == 1
    }

    public static func plain(_ path: some Collection<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = Array(path)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let high = Octet.hexadecimal(rest[rest.startIndex]),
                let low = Octet.hexadecimal(rest[rest.startIndex + 1])
            {
                decoded.append(UInt8(high << 4 | low))
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        var segments: [ArraySlice<UInt8>] = []
        for part in decoded.split(separator: UInt8(ascii: "/")) {
            let segment = part.prefix { $0 != UInt8(ascii: ";") }
            if segment.elementsEqual(".".utf8) { continue }
            if segment.elementsEqual("..".utf8) {
                _ = segments.popLast()
            } else {
                segments.append(segment)
            }
        }
        return segments.reduce(into: []) { $0 += [UInt8(ascii: "/")] + $1 }
    }
}
