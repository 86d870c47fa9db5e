public import Platform

/// The sockets that a service manager passed to this process, according to its environment (sd_listen_fds(3)):
/// consecutive descriptors from 3 on. Pure: does not examine the descriptors.
public enum SocketActivation: Sendable, Equatable {
    case none
    /// They are for another process, with that number.
    case foreign(process: Int)
    case passed([Passed])
    /// The environment is contradictory. `detail` is a predicate about `variable`, without its full stop.
    case malformed(variable: String, detail: String)

    /// The purpose of a socket, which is its name in `LISTEN_FDNAMES` (FileDescriptorName= in systemd.socket(5)).
    public enum Role: String, Sendable, CaseIterable {
        case proxy, inspector
    }

    public struct Passed: Sendable, Equatable {
        public var descriptor: Int32
        public var role: Role

        public init(descriptor: Int32, role: Role) {
            self.descriptor = descriptor
            self.role = role
        }
    }

    /// To be removed from the environment after they were read, so that no command takes them for its own.
    public static let variables = ["LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"]
    /// The first descriptor (SD_LISTEN_FDS_START).
    public static let first: Int32 = 3
    /// More sockets than any sensible configuration has.
    public static let maximum = 32
    /// How much of a name is quoted.
    private static let quoted = 64

    /// `variable` returns the value of an environment variable, `process` is this process.
    public init(process: pid_t, _ variable: (String) -> String?) {
        func value(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
        guard let owner = value("LISTEN_PID") else {
            self = .none
            return
        }
        guard let owner = Self.number(owner) else {
            self = .malformed(variable: "LISTEN_PID", detail: "is not the number of a process")
            return
        }
        guard owner == Int(process) else {
            self = .foreign(process: owner)
            return
        }
        guard let text = value("LISTEN_FDS") else {
            self = .malformed(variable: "LISTEN_FDS", detail: "is missing, and LISTEN_PID is this process")
            return
        }
        guard let count = Self.number(text), count <= Self.maximum else {
            self = .malformed(variable: "LISTEN_FDS", detail: "is not a number of sockets from 0 to \(Self.maximum)")
            return
        }
        self = Self.named(count, variable("LISTEN_FDNAMES"))
    }

    private static func named(_ count: Int, _ text: String?) -> SocketActivation {
        guard count > 0 else { return .none }
        let names = text.map { $0.split(separator: ":", maxSplits: maximum, omittingEmptySubsequences: false) }
        if let names, names.count != count {
            let detail = "does not have as many names (\(names.count)) as LISTEN_FDS says sockets (\(count))"
            return .malformed(variable: "LISTEN_FDNAMES", detail: detail)
        }
        var passed: [Passed] = []
        for index in 0..<count {
            let name = names?[index] ?? ""
            guard let role = role(of: name) else {
                let detail =
                    "calls a socket \"\(name.prefix(quoted))\": it must be proxy or inspector (FileDescriptorName=)"
                return .malformed(variable: "LISTEN_FDNAMES", detail: detail)
            }
            passed.append(Passed(descriptor: first + Int32(index), role: role))
        }
        guard passed.count(where: { $0.role == .inspector }) <= 1 else {
            let detail = "calls several sockets inspector: there is one inspector"
            return .malformed(variable: "LISTEN_FDNAMES", detail: detail)
        }
        return .passed(passed)
    }

    /// An unnamed socket has an empty name, `unknown`, or the name of its unit.
    private static func role(of name: Substring) -> Role? {
        if name.isEmpty || name == "unknown" || name.hasSuffix(".socket") { return .proxy }
        return Role(rawValue: String(name))
    }

    /// A number in decimal digits; nil for anything else.
    private static func number(_ text: String) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
