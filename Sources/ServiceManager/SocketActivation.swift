public import Platform

/// The sockets that a service manager has passed to this process, as its environment says (sd_listen_fds(3)): from
/// descriptor 3 on, one behind another. Pure: says what there is to be, and looks at none of them.
public enum SocketActivation: Sendable, Equatable {
    case none
    /// They are for the process with that number, which is another one.
    case foreign(process: Int)
    case passed([Passed])
    /// The environment contradicts itself. `detail` is a sentence about `variable`, without its subject and its end.
    case malformed(variable: String, detail: String)

    /// What a socket is for, which is what it is called in `LISTEN_FDNAMES` (FileDescriptorName= in systemd.socket(5)).
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

    /// Whoever has read these takes them away, so that no command believes that they are for it.
    public static let variables = ["LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"]
    /// The descriptor of the first (SD_LISTEN_FDS_START).
    public static let first: Int32 = 3
    /// More addresses than a proxy can be meant to have.
    public static let maximum = 32
    /// What is quoted of a name.
    private static let quoted = 64

    /// `variable` gives the value of a variable of the environment, `process` is this one.
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

    /// Nobody has named it: then it has no name, `unknown`, or that of its unit.
    private static func role(of name: Substring) -> Role? {
        if name.isEmpty || name == "unknown" || name.hasSuffix(".socket") { return .proxy }
        return Role(rawValue: String(name))
    }

    /// Digits and nothing else.
    private static func number(_ text: String) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
