import Platform

/// The service manager's address for notices, `NOTIFY_SOCKET` (sd_notify(3)): an absolute path, or an abstract name
/// after `@`, which is not a file (unix(7)). Pure.
public struct NotifyAddress: Sendable, Equatable {
    /// The form in `sockaddr_un.sun_path`: an abstract name begins with a zero octet.
    let octets: [UInt8]

    /// Why a value is invalid: a predicate without its subject and full stop.
    public struct Unusable: Error, Equatable, Sendable, CustomStringConvertible {
        public let description: String
    }

    static let capacity = MemoryLayout.size(ofValue: sockaddr_un().sun_path)

    public init(_ text: String) throws(Unusable) {
        let octets = Array(text.utf8)
        switch octets.first {
        case UInt8(ascii: "/"): self.octets = octets
        case UInt8(ascii: "@") where octets.count > 1:
            #if os(Linux)
            self.octets = [0] + octets.dropFirst()
            #else
            throw Unusable(description: "is an abstract name, which only Linux has")
            #endif
        default:
            let isVirtual = text.hasPrefix("vsock:") || text.hasPrefix("vsock-")
            throw Unusable(
                description: isVirtual
                    ? "is an address of AF_VSOCK, which Squire does not speak: a path or @NAME is needed"
                    : "is neither a path from the root on nor @NAME"
            )
        }
        // A path is followed by a zero octet.
        let length = octets.count + (octets[0] == UInt8(ascii: "/") ? 1 : 0)
        guard length <= Self.capacity else {
            throw Unusable(description: "is longer than the \(Self.capacity - 1) octets that a socket's name can have")
        }
    }
}
