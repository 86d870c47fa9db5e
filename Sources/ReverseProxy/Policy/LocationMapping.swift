import EventIO
import HTTP1

/// Rewrites a location of the upstream to one at this proxy, so that the client does not leave it. Pure.
///
/// A location at the upstream's origin and below its base path gets this proxy's origin and loses the base path. If
/// there is a base path, a location outside of it cannot be requested here, so it stays, or becomes, an absolute URL of
/// the upstream. A client that names the upstream in a complete target writes the base path itself, so for it the base
/// path stays.
struct LocationMapping: Sendable {
    private let upstream: Origin
    private let basePath: BasePath?

    init(upstream: Origin, basePath: BasePath?) {
        self.upstream = upstream
        self.basePath = basePath
    }

    /// Appends the value of a Location field in the form for the client. `ownOrigin` is `http://host` as the client
    /// calls this proxy; nil leaves absolute URLs unchanged. `place` is the one of the request's target.
    func append(
        _ value: UnsafeRawBufferPointer,
        _ ownOrigin: [UInt8]?,
        _ place: TargetPlace,
        to output: ByteBuffer
    ) {
        if let length = lengthOfOrigin(value) {
            let rest = UnsafeRawBufferPointer(rebasing: value.dropFirst(length))
            guard let below = below(rest) else {
                // Without a scheme it would inherit this proxy's.
                if value.first == UInt8(ascii: "/") { output.append(upstream.isSecure ? "https:" : "http:") }
                return output.append(value)
            }
            guard let ownOrigin else { return output.append(value) }
            output.append(ownOrigin)
            guard place == .below else { return output.append(rest) }
            if basePath != nil, !Self.beginsPath(below) { output.append(UInt8(ascii: "/")) }
            return output.append(below)
        }
        guard basePath != nil, value.first == UInt8(ascii: "/"), !Self.isNetworkPath(value) else {
            return output.append(value)
        }
        guard let below = below(value) else {
            output.append(upstream.description)
            return output.append(value)
        }
        guard place == .below else { return output.append(value) }
        if !Self.beginsPath(below) { output.append(UInt8(ascii: "/")) }
        // Without the base path, two slashes would begin a host.
        if Self.isNetworkPath(below) { output.append("/.") }
        output.append(below)
    }

    /// The part of a path behind the base path, with query and fragment; nil for a path outside of it.
    private func below(_ rest: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let basePath else { return rest }
        guard basePath.begins(rest) else { return nil }
        let below = UnsafeRawBufferPointer(rebasing: rest.dropFirst(basePath.octets.count))
        let path = below.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        return BasePath.climbs(UnsafeRawBufferPointer(rebasing: path)) ? nil : below
    }

    private static func beginsPath(_ text: UnsafeRawBufferPointer) -> Bool { text.first == UInt8(ascii: "/") }

    /// `//host`; browsers read a backslash as a slash.
    private static func isNetworkPath(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count > 1, beginsPath(text) else { return false }
        return text[1] == UInt8(ascii: "/") || text[1] == UInt8(ascii: "\\")
    }

    /// The length of the upstream's origin at the start of a URL; nil for another origin.
    private func lengthOfOrigin(_ value: UnsafeRawBufferPointer) -> Int? {
        let text = String(decoding: value, as: UTF8.self)
        let prefix = text.lowercased()
        // A location without a scheme has the request's, which for the upstream is its own.
        let scheme = upstream.isSecure ? "https:" : "http:"
        let start: Int
        if prefix.hasPrefix(scheme + "//") {
            start = scheme.utf8.count + 2
        } else if prefix.hasPrefix("//") {
            start = 2
        } else {
            return nil
        }
        let rest = text.utf8.dropFirst(start)
        let name = rest.prefix { $0 != 0x2F && $0 != 0x3F && $0 != 0x23 }
        guard let authority = Authority(String(decoding: name, as: UTF8.self)),
            authority.host == upstream.authority.host,
            (authority.port ?? (upstream.isSecure ? 443 : 80)) == upstream.port
        else { return nil }
        return start + name.count
    }
}
