import CSystem
import Credentials
import Platform
import Settings
import Support
import Threads

/// The end of a command that did not work out: what to say, and the code (sysexits(3)).
struct ExitFailure: Error {
    let code: Int32
    let message: String

    static func malformed(_ message: String) -> ExitFailure { ExitFailure(.malformed, message) }
    static func unreachable(_ message: String) -> ExitFailure { ExitFailure(.unreachable, message) }
    static func notWritable(_ message: String) -> ExitFailure { ExitFailure(.notWritable, message) }
    static func inputOutput(_ message: String) -> ExitFailure { ExitFailure(.inputOutput, message) }
    static func tryLater(_ message: String) -> ExitFailure { ExitFailure(.tryLater, message) }
    static func loginNeeded(_ message: String) -> ExitFailure { ExitFailure(.loginNeeded, message) }
    static func configuration(_ message: String) -> ExitFailure { ExitFailure(.configuration, message) }

    static func usage(_ message: String) -> ExitFailure { ExitFailure(.usage, message) }

    /// What a session's failure means for a command. `login` is the line that logs in.
    init(_ failure: CredentialFailure, reason: String?, login: String) {
        let because = reason.map { ": \($0)" } ?? ""
        switch failure {
        case .loginNeeded(let story):
            self = .loginNeeded("squire: \(story ?? "A login is needed\(because).") Run: \(login)")
        case .notRefreshable:
            self = .loginNeeded(
                "squire: the token does not last, and no session.refresh is configured. Run: \(login)"
            )
        case .unavailable(let seconds, true):
            self = .unreachable(
                "squire: the API cannot be reached\(because). Nothing is lost; try again in \(seconds) s"
            )
        case .unavailable(let seconds, false), .paused(let seconds):
            self = .tryLater(
                "squire: the token cannot be refreshed now\(because). Nothing is lost; try again in \(seconds) s"
            )
        case .misconfigured(let reason, _):
            self = .configuration("squire: no token can be had: \(reason)")
        case .unchanged(let seconds):
            self = .tryLater("squire: the API gave the same token again; try again in \(seconds) s")
        case .notWritable(let text):
            self = .notWritable("squire: nothing was refreshed, since it could not be saved: \(text)")
        case .overloaded, .refreshDidNotHelp, .shuttingDown:
            self = .tryLater("squire: too much is under way; try again in a moment")
        }
    }

    /// A session file that cannot be used.
    init(_ error: SessionFileError) {
        self.init(error.reason == .noDirectory ? .notWritable : .malformed, "squire: \(error.description)")
    }

    init(code: Int32, message: String) {
        self.code = code
        self.message = message
    }

    private init(_ reason: ExitReason, _ message: String) {
        self.init(code: reason.rawValue, message: message)
    }
}

/// The three standard streams.
enum Output {
    /// Puts something in the place of each of the three that was closed by whoever started this process: a socket would
    /// get its number otherwise, and be written to as if it were a terminal, or read as if it were somebody's input.
    /// Close-on-exec: `squire exec` starts its command with what it was itself started with. Ends the process where
    /// there is nothing to be had.
    static func openStandardStreams() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
            if descriptor == 1 { closed.with { $0 = SystemError(Self.notWritable, code: EBADF) } }
            // The lowest number that is free. A root without devices still has itself, which takes and gives nothing.
            guard open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 || open("/", O_RDONLY | O_CLOEXEC) >= 0 else {
                _exit(ExitReason.inputOutput.rawValue)
            }
        }
    }

    /// Says where something accepts connections, for whoever waits for that. Gives why nobody can read it, if that is so.
    static func announce(_ endpoints: [String]) -> SystemError? {
        closed.with { $0 } ?? unwritten(endpoints.map { "\(ControlCharacters.escapedLines($0))\n" }.joined())
    }

    /// A line, or several, on standard output, at once. Nothing in it acts on a terminal.
    static func line(_ text: String) {
        write(1, ControlCharacters.escapedLines(text) + "\n")
    }

    /// The same for people, folded for a terminal. `column`: where what stands behind a label begins, and goes on.
    static func say(_ text: String, column: Int? = nil) {
        line(folded(ControlCharacters.escapedLines(text), on: 1, column: column))
    }

    /// A line that begins with a label of 12 columns.
    static func labelled(_ text: String) { say(text, column: 12) }

    /// Values that belong together: a line, which a terminal gets broken between them alone.
    static func row(_ values: [String], separator: String = "  ", indentation: Int = 2) {
        line(
            MessageLines.row(
                values.map(ControlCharacters.escaped),
                separator: separator,
                indentation: indentation,
                width: Terminal.columns(1) ?? .max
            )
        )
    }

    /// What was found or refused, on standard error, folded for a terminal.
    static func error(_ text: String) {
        write(2, folded(ControlCharacters.escapedLines(text), on: 2) + "\n")
    }

    /// As the terminal that `descriptor` is takes it; in a file or a pipe each line stays whole.
    private static func folded(_ text: String, on descriptor: Int32, column: Int? = nil) -> String {
        guard let width = Terminal.columns(descriptor) else { return text }
        guard let column else { return MessageLines.folded(text, width: width) }
        return MessageLines.hanging(text, at: column, width: width)
    }

    /// Why the command ends, on standard error: for the journal, each line as an error. Nothing in it acts on a terminal.
    static func failure(_ text: String) {
        let shown = ControlCharacters.escapedLines(text)
        guard LogStyle.isJournal(Environment.all) else { return write(2, folded(shown, on: 2) + "\n") }
        let lines = shown.split(separator: "\n", omittingEmptySubsequences: false)
        write(2, lines.map { "<3>\($0)\n" }.joined())
    }

    /// JSON on standard output. What acts on a terminal stands in strings only, and can be escaped there.
    static func json(_ value: JSONValue, pretty: Bool = true) {
        write(1, ControlCharacters.escapedJSON(value.serialized(pretty: pretty)) + "\n")
    }

    static func write(_ descriptor: Int32, _ text: String) {
        guard descriptor == 1 else {
            _ = SystemCall.writeAll(descriptor, text.utf8)
            return
        }
        guard let error = closed.with({ $0 }) ?? unwritten(text) else { return }
        lost.with { $0 = $0 ?? error }
    }

    /// Writes to standard output. Gives why that cannot be done; a reader that has had enough is no failure.
    private static func unwritten(_ text: String) -> SystemError? {
        SystemCall.writeAll(1, text.utf8) || errno == EPIPE ? nil : SystemError(Self.notWritable)
    }

    /// What a command has done, on standard output, folded for a terminal. It is done all the same where that cannot be
    /// written: `problem` tells it then.
    static func report(_ text: String) {
        say(text)
        if lost.with({ $0 }) != nil { unsaid.with { $0.append(text) } }
    }

    /// Why something that was to stand on standard output does not, and what a command did in spite of it; nil if all
    /// stands there.
    static var problem: String? {
        guard let error = lost.with({ $0 }) else { return nil }
        let reports = unsaid.with { $0 }
        return ([error.description + (reports.isEmpty ? "" : ". This was done, and is said here:")] + reports)
            .joined(separator: "\n")
    }

    private static let lost = Guarded<SystemError?>(nil)
    /// Reports that standard output did not take.
    private static let unsaid = Guarded<[String]>([])
    /// What each write would have met, had nothing taken the place of a standard output that was closed.
    private static let closed = Guarded<SystemError?>(nil)
    private static let notWritable = "standard output cannot be written"

    /// One line from standard input, without its end; asks with `prompt`, and without echo, when a person is there. Nil
    /// at the end. A line is cut at 64 KiB, which is more than any secret has.
    static func readSecret(prompt: String) -> String? {
        guard isatty(0) == 1, csystem_hide_typing() == 0 else { return readLine() }
        write(2, prompt)
        defer {
            csystem_show_typing()
            write(2, "\n")
        }
        return readLine()
    }

    /// Whether more than the end of a line waits to be read that is no person's: it may be the rest of a secret that was
    /// broken on its way here.
    static var hasMoreInput: Bool {
        var count: Int32 = 0
        return isatty(0) == 0 && ioctl(0, UInt(FIONREAD), &count) == 0 && count > 2
    }

    /// Whether a person can be asked.
    static var isAtTerminal: Bool { isatty(0) == 1 && isatty(2) == 1 }

    /// What a person types; nil at the end of the input.
    static func ask(_ prompt: String) -> String? {
        write(2, folded(ControlCharacters.escapedLines(prompt), on: 2))
        return readLine()
    }

    /// Whether a person says yes.
    static func confirm(_ question: String) -> Bool {
        let answer = ask(question + " [y/N] ")?.lowercased().filter { !$0.isWhitespace }
        return answer == "y" || answer == "yes"
    }

    private static let maximumLine = 64 * 1024

    private static func readLine() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < maximumLine {
            let count = withUnsafeMutableBytes(of: &byte) { SystemCall.read(0, into: $0) }
            if count <= 0 { return line.isEmpty ? nil : String(decoding: line, as: UTF8.self) }
            if byte == UInt8(ascii: "\n") { break }
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }
}
