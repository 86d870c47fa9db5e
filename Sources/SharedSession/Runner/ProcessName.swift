import Credentials
import Platform

/// Names a process among all machines, in its claims.
enum ProcessName {
    /// `host/process/random`: visible ASCII, 128 octets at most. Another one each time.
    static func make() -> String {
        let random = SharedID.random().description.prefix(8)
        return "\(host())/\(getpid())/\(random)"
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
