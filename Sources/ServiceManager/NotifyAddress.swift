import Platform

/// Where a service manager listens for notices: `NOTIFY_SOCKET` (sd_notify(3)). A path from the root on, or an abstract
/// name behind `@`, which is no file (unix(7)). Pure.
public struct NotifyAddress: Sendable, Equatable {
    /// As `sockaddr_un.sun_path` has it: an abstract name begins with a zero.
    let octets: [UInt8]

    /// What is wrong with a value: a sentence without its subject and its end.
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
        // A path has a zero behind it.
        let length = octets.count + (octets[0] == UInt8(ascii: "/") ? 1 : 0)
        guard length <= Self.capacity else {
            throw Unusable(description: "is longer than the \(Self.capacity - 1) octets that a socket's name can have")
        }
    }
}
