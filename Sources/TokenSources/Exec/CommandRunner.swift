import CSystem
import Platform
import Support
import Synchronization
public import Threads

/// How a command ended.
public enum CommandEnd: Equatable, Sendable {
    /// It ended with 0; what it printed on standard output, and the last line on standard error.
    case printed([UInt8], complaint: String?)
    case failed(CommandFailure)
}

/// Why a command gave nothing.
public enum CommandFailure: Equatable, Sendable {
    /// The value is `errno`.
    case notStarted(Int32)
    /// `complaint` is the last line that it printed on standard error.
    case exited(code: Int32, complaint: String?)
    case signalled(Int32, complaint: String?)
    case timedOut(Duration, complaint: String?)
    /// It printed more than `CommandRunner.maxOutput` bytes.
    case tooMuchOutput
    /// This very process was started, by whatever detour, by the same command.
    case runsItself
    /// It took too long before, and has not ended yet.
    case stillEnding
    /// Nobody wants its word any more: it was ended.
    case stopped

    /// The rest of a sentence that begins with the command. `quote` makes what it said fit to be shown.
    func text(_ quote: (String) -> String) -> String {
        func said(_ complaint: String?) -> String { complaint.map { ": \(quote($0))" } ?? "" }
        switch self {
        case .notStarted(let code): return "cannot be started: \(String(cString: strerror(code)))"
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

    /// It may work another time, with nothing changed.
    public var mayPass: Bool {
        switch self {
        case .exited, .signalled, .timedOut, .stillEnding, .stopped, .runsItself: true
        case .tooMuchOutput: false
        case .notStarted(let code): [EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY, EINTR, EIO].contains(code)
        }
    }
}

/// Runs a command without a shell, in a process group of its own, and reads what it prints, within limits.
///
/// *Threading*: `run` blocks, and is called by one thread at a time. A command that takes too long is ended on a thread
/// of its own (SIGTERM, and SIGKILL after five seconds), and however this process ends, no command outlives it.
public final class CommandRunner: Sendable {
    /// What the command reads from standard input.
    public enum Input: Equatable, Sendable {
        case nothing
        case bytes([UInt8])
        /// The terminal, if there is one: it may ask a person. What it says on standard error goes there, too.
        case terminal
    }

    /// Bytes.
    static let maxOutput = 64 * 1024
    /// Between SIGTERM and SIGKILL.
    public static let patience = Duration.seconds(5)

    private let arguments: [String]
    private let directory: String
    private let environment: [String: String]
    private let timeout: Duration
    private let patience: Duration
    private let isEnding = Atomic(false)

    /// `environment` is the whole of the command's, but for the mark that keeps it from running itself.
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

    /// Runs it and waits for its end, for the timeout, or for `stop`.
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
            // What it printed may be a secret all the same.
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

    /// Ends the command without waiting for its end: who waits for a token has waited long enough.
    private func end(_ process: ChildProcess) {
        process.giveUp()
        isEnding.store(true, ordering: .releasing)
        let ending: @Sendable () -> Void = { [self] in
            _ = process.waitForEnd(until: MonotonicClock.now().adding(saturating: patience.nanoseconds))
            // What it started may ignore what ended it.
            process.signal(SIGKILL)
            _ = process.reap()
            isEnding.store(false, ordering: .releasing)
        }
        if let thread = NativeThread(name: "squire-end", run: ending) { thread.detach() } else { ending() }
    }
}

/// Marks the environment of commands, so that none leads back to itself: a command that asks a Squire for the very token
/// that it is asked for would run for ever.
struct CommandMark {
    static let name = "SQUIRE_EXEC"
    /// Which commands led here, by their hashes.
    static let listName = "SQUIRE_EXEC_COMMANDS"
    /// Commands that lead to each other may be this many.
    private static let maxDepth = 8

    private let environment: [String: String]

    init(_ environment: [String: String]) {
        self.environment = environment
    }

    /// The variables for a command; nil when it is one of those that led here.
    func marking(_ arguments: [String], in directory: String) -> [String: String]? {
        let own = Self.hash(arguments, directory)
        let isMarked = environment[Self.name].map { !$0.isEmpty } ?? false
        let former = (environment[Self.listName] ?? "").split(separator: ",").map(String.init)
        // A mark without a list says that one led here, and not which: then none may be run.
        if isMarked, former.isEmpty || former.contains(own) || former.count >= Self.maxDepth { return nil }
        return [Self.name: "1", Self.listName: ((isMarked ? former : []) + [own]).joined(separator: ",")]
    }

    private static func hash(_ arguments: [String], _ directory: String) -> String {
        var text = ([RealPath.of(directory) ?? directory] + arguments).joined(separator: "\0")
        return Hexadecimal.text(text.withUTF8 { FNV.hash(UnsafeRawBufferPointer($0)) })
    }
}
