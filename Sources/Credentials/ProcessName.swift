import Platform

/// The name of a process, unique among all machines of a fleet, as claims carry it: 1 to 128 visible ASCII characters
/// (0x21 to 0x7E).
public struct ProcessName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// The longest name, in octets.
    public static let maxBytes = 128

    /// Nil if `name` is empty, longer than 128 octets or not visible ASCII.
    public init?(_ name: String) {
        let isVisible = name.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard (1...Self.maxBytes).contains(name.utf8.count), isVisible else { return nil }
        description = name
    }

    private init(visible name: String) {
        description = name
    }

    /// Makes a name for this process: `host/process/random`. Each call returns a different one.
    public static func make() -> ProcessName {
        let random = SharedID.random().description.prefix(8)
        return ProcessName(visible: "\(host())/\(getpid())/\(random)")
    }

    private static func host() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&name, name.count - 1) == 0 else { return "unknown" }
        let visible = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.filter {
            (0x21...0x7E).contains($0) && $0 != 0x2F
        }
        return visible.isEmpty ? "unknown" : String(decoding: visible.prefix(64), as: UTF8.self)
    }
}
