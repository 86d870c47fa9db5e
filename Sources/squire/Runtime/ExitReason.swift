/// Why a command ended, as its exit code (sysexits(3)). `squire exec` ends with the code of its command.
enum ExitReason: Int32, CaseIterable {
    case done = 0
    case usage = 64
    case malformed = 65
    case unreachable = 69
    case notWritable = 73
    case inputOutput = 74
    case tryLater = 75
    case loginNeeded = 77
    case configuration = 78

    var meaning: String {
        switch self {
        case .done: "done"
        case .usage: "wrong usage"
        case .malformed: "malformed input"
        case .unreachable: "the API cannot be reached"
        case .notWritable: "the session file cannot be written"
        case .inputOutput: "I/O (a listener that cannot bind, output that cannot be written)"
        case .tryLater: "try again later"
        case .loginNeeded: "a login is needed"
        case .configuration: "configuration error"
        }
    }

    /// The list for `squire --help`.
    static var list: String { allCases.map { "\($0.rawValue) \($0.meaning)" }.joined(separator: ", ") }
}
