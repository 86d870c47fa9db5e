import EventIO
import HTTP1

/// Makes an upstream's cookie usable for a client that calls this proxy by a loopback name over plain HTTP, as nginx's
/// `proxy_cookie_domain`, `proxy_cookie_path` and `proxy_cookie_flags` do. Pure; allocates nothing.
///
/// Removes `Domain` if the upstream may set it, removes `Secure` and `Partitioned`, which requires `Secure`, changes
/// `SameSite=None`, which requires it too, to `Lax`, and removes the base path from `Path` unless the client
/// writes it itself. A cookie for another domain, or with a name that promises `Secure` (RFC 6265bis section 4.1.3),
/// stays unchanged.
struct CookieMapping: Sendable {
    /// The upstream's host in lower case.
    private let host: [UInt8]
    private let basePath: BasePath?

    init(host: String, basePath: BasePath?) {
        self.host = Array(host.lowercased().utf8)
        self.basePath = basePath
    }

    /// Appends the value of a Set-Cookie field in the form for the client. `place` is the one of the request's target.
    func append(_ value: UnsafeRawBufferPointer, _ place: TargetPlace, to output: ByteBuffer) {
        guard isOurs(value) else { return output.append(value) }
        let span = value.assumingMemoryBound(to: UInt8.self).span
        var start = 0
        while start <= value.count {
            let end = Self.endOfPart(value, from: start)
            if start == 0 {
                output.append(UnsafeRawBufferPointer(rebasing: value[..<end]))
            } else {
                append(Attribute(span, ByteRange(start, end)), span, value, place, to: output)
            }
            start = end + 1
        }
    }

    private func append(
        _ attribute: Attribute,
        _ span: Span<UInt8>,
        _ value: UnsafeRawBufferPointer,
        _ place: TargetPlace,
        to output: ByteBuffer
    ) {
        let text = UnsafeRawBufferPointer(rebasing: value[attribute.value.range])
        if span.matches(attribute.name, "secure") || span.matches(attribute.name, "partitioned") { return }
        if span.matches(attribute.name, "domain"), !text.isEmpty { return }
        output.append(UInt8(ascii: ";"))
        if span.matches(attribute.name, "samesite"), span.matches(attribute.value, "none") {
            return output.append(" SameSite=Lax")
        }
        guard place == .below, span.matches(attribute.name, "path"), let basePath, basePath.begins(text) else {
            return output.append(UnsafeRawBufferPointer(rebasing: value[attribute.whole.range]))
        }
        output.append(" Path=")
        let rest = UnsafeRawBufferPointer(rebasing: text.dropFirst(basePath.octets.count))
        if rest.first != UInt8(ascii: "/") { output.append(UInt8(ascii: "/")) }
        output.append(rest)
    }

    /// An attribute after a semicolon (RFC 6265 section 5.2).
    private struct Attribute {
        let whole: ByteRange
        let name: ByteRange
        /// Empty if it has none.
        let value: ByteRange

        init(_ bytes: Span<UInt8>, _ part: ByteRange) {
            whole = part
            var equals = Int(part.lowerBound)
            while equals < part.upperBound, bytes[equals] != UInt8(ascii: "=") { equals += 1 }
            name = bytes.trimmed(ByteRange(Int(part.lowerBound), equals))
            value = bytes.trimmed(ByteRange(min(equals + 1, Int(part.upperBound)), Int(part.upperBound)))
        }
    }

    private static func endOfPart(_ value: UnsafeRawBufferPointer, from start: Int) -> Int {
        var end = start
        while end < value.count, value[end] != UInt8(ascii: ";") { end += 1 }
        return end
    }

    private func isOurs(_ value: UnsafeRawBufferPointer) -> Bool {
        let span = value.assumingMemoryBound(to: UInt8.self).span
        var start = 0
        while start <= value.count {
            let end = Self.endOfPart(value, from: start)
            let attribute = Attribute(span, ByteRange(start, end))
            if start == 0 {
                if Self.promisesSecure(span, attribute.name) { return false }
            } else if span.matches(attribute.name, "domain"), !maySet(span, attribute.value) {
                return false
            }
            start = end + 1
        }
        return true
    }

    private static func promisesSecure(_ bytes: Span<UInt8>, _ name: ByteRange) -> Bool {
        let start = Int(name.lowerBound)
        return name.count >= 7 && bytes.matches(ByteRange(start, start + 7), "__host-")
            || name.count >= 9 && bytes.matches(ByteRange(start, start + 9), "__secure-")
    }

    /// Whether the domain is the upstream's host or a parent of it (RFC 6265 section 5.1.3); an empty one is neither.
    private func maySet(_ bytes: Span<UInt8>, _ domain: ByteRange) -> Bool {
        var start = Int(domain.lowerBound)
        if start < domain.upperBound, bytes[start] == UInt8(ascii: ".") { start += 1 }
        let count = Int(domain.upperBound) - start
        guard count > 0 else { return true }
        guard count <= host.count else { return false }
        let offset = host.count - count
        for index in 0..<count where Octet.lowercase(bytes[start + index]) != host[offset + index] { return false }
        return offset == 0 || host[offset - 1] == UInt8(ascii: ".")
    }
}
