import CSystem
import Platform
import Support
import Synchronization
public import Threads

/// How a command ended.
public enum CommandEnd: Equatable, Sendable {
    /// It exited with 0; the value is its standard output. `complaint` is the last line on standard error.
    case printed([UInt8], complaint: String?)
    case failed(CommandFailure)
}

/// Why a command produced no output.
public enum CommandFailure: Equatable, Sendable {
    /// The value is `errno`.
    case notStarted(Int32)
    /// `complaint` is the last line on standard error.
    case exited(code: Int32, complaint: String?)
    case signalled(Int32, complaint: String?)
    case timedOut(Duration, complaint: String?)
    /// It printed more than `CommandRunner.maxOutput` bytes.
    case tooMuchOutput
    /// The same command started this process, directly or indirectly.
    case runsItself
    /// An earlier run took too long and has not ended yet.
    case stillEnding
    /// The caller stopped it.
    case stopped

    /// The rest of a sentence that begins with the command. `quote` makes its words safe to show; nil leaves
    /// them away.
    func text(_ quote: (String) -> String?) -> String {
        func said(_ complaint: String?) -> String { complaint.flatMap(quote).map { ": \($0)" } ?? "" }
        switch self {
        case .notStarted(let code): return unsafe "cannot be started: \(String(cString: strerror(code)))"
        case .exited(let code, let complaint): return "ends with code \(code)\(said(complaint))"
        case .signalled(let signal, let complaint): return "is ended by signal \(signal)\(said(complaint))"
        case .timedOut(let limit, let complaint):
            return "has not ended after \(limit.components.seconds) s\(said(complaint))"
        case .tooMuchOutput: return "prints more than \(CommandRunner.maxOutput / 1024) KiB"
        case .runsItself: return "runs this Squire, which would run it again"
        case .stillEnding: return "took too long before, and is still being ended"
        case .stopped: return "is ended, because this Squire ends"
        }
    }

    var isTimeout: Bool {
        switch self {
        case .timedOut, .stillEnding: true
        case .notStarted, .exited, .signalled, .tooMuchOutput, .runsItself, .stopped: false
        }
    }

    /// Whether it may work later without a change of the configuration.
    public var mayPass: Bool {
        switch self {
        case .exited, .signalled, .timedOut, .stillEnding, .stopped, .runsItself: true
        case .tooMuchOutput: false
        case .notStarted(let code): [EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY, EINTR, EIO].contains(code)
        }
    }
}

/// Runs a command without a shell, in a process group of its own, and reads its output within limits.
///
/// *Threading*: `run` blocks; call it on one thread at a time. A separate thread ends a command that takes too long
/// (SIGTERM, and SIGKILL after five seconds). No command outlives this process, however that ends.
public final class CommandRunner: Sendable {
    /// The command's standard input.
    public enum Input: Equatable, Sendable {
        case nothing
        case bytes([UInt8])
        /// The terminal, if there is one, so that the command can ask a person. Its standard error goes there, too.
        case terminal
    }

    /// The maximum size of the output in bytes.
    static let maxOutput = 64 * 1024
    /// The time between SIGTERM and SIGKILL.
    public static let patience = Duration.seconds(5)

    private let arguments: [String]
    private let directory: String
    private let environment: [String: String]
    private let timeout: Duration
    private let patience: Duration
    private let isEnding = Atomic(false)

    /// `environment` is the command's whole environment, except for the mark that prevents recursion (`CommandMark`).
    public init(
        arguments: [String],
        directory: String,
        environment: [String: String],
        timeout: Duration,
        patience: Duration = CommandRunner.patience
    ) {
        self.arguments = arguments
        self.directory = directory
        self.environment = environment
        self.timeout = timeout
        self.patience = patience
    }

    /// Runs the command and waits for its end, the timeout, or `stop`. Blocking.
    public func run(_ input: Input = .nothing, stop: StopSignal? = nil) -> CommandEnd {
        guard !isEnding.load(ordering: .acquiring) else { return .failed(.stillEnding) }
        if let stop, stop.isGiven { return .failed(.stopped) }
        guard let marked = CommandMark(environment).marking(arguments, in: directory) else {
            return .failed(.runsItself)
        }
        let process: ChildProcess
        do throws(SystemError) {
            process = try ChildProcess(
                arguments,
                directory: directory,
                environment: environment.merging(marked) { $1 },
                input: input
            )
        } catch {
            return .failed(.notStarted(error.code))
        }
        let deadline = MonotonicClock.now().adding(saturating: timeout.nanoseconds)
        switch process.read(limit: Self.maxOutput, until: deadline, stop: stop) {
        case .ended(let output):
            let status = process.reap()
            // WIFEXITED and WEXITSTATUS of wait(2).
            if status == 0 { return .printed(output, complaint: process.complaint) }
            // The output may be a secret even if the command failed.
            let complaint = process.complaint.map { Complaint.text($0, withoutWordsOf: output) }
            return .failed(
                status & 0x7F == 0
                    ? .exited(code: status >> 8 & 0xFF, complaint: complaint)
                    : .signalled(status & 0x7F, complaint: complaint)
            )
        case .tooMuch:
            end(process)
            return .failed(.tooMuchOutput)
        case .timedOut:
            end(process)
            return .failed(.timedOut(timeout, complaint: process.complaint))
        case .stopped:
            end(process)
            return .failed(.stopped)
        }
    }

    /// Ends the command without waiting for it: the caller has waited long enough.
    private func end(_ process: ChildProcess) {
        process.giveUp()
        isEnding.store(true, ordering: .releasing)
        let ending: @Sendable () -> Void = { [self] in
            _ = process.waitForEnd(until: MonotonicClock.now().adding(saturating: patience.nanoseconds))
            // Its children may have ignored SIGTERM.
            process.signal(SIGKILL)
            _ = process.reap()
            isEnding.store(false, ordering: .releasing)
        }
        if let thread = NativeThread(name: "squire-end", run: ending) { thread.detach() } else { ending() }
    }
}

/// Marks the environment of commands to prevent recursion: a command that asks Squire for the token that it should
/// provide would never end.
struct CommandMark {
    static let name = "SQUIRE_EXEC"
    /// The variable that lists the hashes of the commands that led to this process.
    static let listName = "SQUIRE_EXEC_COMMANDS"
    /// The maximum number of nested commands.
    private static let maxDepth = 8

    private let environment: [String: String]

    init(_ environment: [String: String]) {
        self.environment = environment
    }

    /// The variables for a command; nil if it is one of those that led to this process.
    func marking(_ arguments: [String], in directory: String) -> [String: String]? {
        let own = Self.hash(arguments, directory)
        let isMarked = environment[Self.name].map { !$0.isEmpty } ?? false
        let former = (environment[Self.listName] ?? "").split(separator: ",").map(String.init)
        // A mark without a list: some unknown command led here, so none may run.
        if isMarked, former.isEmpty || former.contains(own) || former.count >= Self.maxDepth { return nil }
        return [Self.name: "1", Self.listName: ((isMarked ? former : []) + [own]).joined(separator: ",")]
    }

    private static func hash(_ arguments: [String], _ directory: String) -> String {
        var text = ([RealPath.of(directory) ?? directory] + arguments).joined(separator: "\0")
        return Hexadecimal.text(text.withUTF8 { unsafe FNV.hash(UnsafeRawBufferPointer($0)) })
    }
}
