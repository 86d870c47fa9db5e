import CSystem
import Platform
import Settings
import Support
import Threads

/// The three standard streams.
enum Output {
    /// Opens a placeholder for each standard stream that the caller closed. Otherwise a socket could get its number,
    /// and be written to like a terminal or read like a user's input. The placeholders are close-on-exec, so that
    /// `squire exec` passes on the streams as it received them. Ends the process if no placeholder can be opened.
    static func openStandardStreams() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
            if descriptor == 1 { closed.with { $0 = SystemError(Self.notWritable, code: EBADF) } }
            // open(2) returns the lowest free number. Even a root file system without devices contains itself, which
            // can be neither read nor written.
            guard open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 || open("/", O_RDONLY | O_CLOEXEC) >= 0 else {
                _exit(ExitReason.inputOutput.rawValue)
            }
        }
    }

    /// Prints the endpoints that accept connections. Returns an error if nobody can read them.
    static func announce(_ endpoints: [String]) -> SystemError? {
        closed.with { $0 } ?? unwritten(endpoints.map { "\(ControlCharacters.escapedLines($0))\n" }.joined())
    }

    /// Prints one or more lines to standard output, without control characters.
    static func line(_ text: String) {
        write(1, ControlCharacters.escapedLines(text) + "\n")
    }

    /// The same for people, folded for a terminal. `column` is where the text after a label begins, and continues.
    static func say(_ text: String, column: Int? = nil) {
        line(folded(ControlCharacters.escapedLines(text), on: 1, column: column))
    }

    /// Prints a line that begins with a label of 12 columns.
    static func labelled(_ text: String) { say(text, column: 12) }

    /// Prints values that belong together on one line. A terminal gets line breaks only between them.
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

    /// Prints a finding or a refusal to standard error, folded for a terminal.
    static func error(_ text: String) {
        write(2, folded(ControlCharacters.escapedLines(text), on: 2) + "\n")
    }

    /// `text`, folded for the terminal at `descriptor`. In a file or a pipe each line stays whole.
    private static func folded(_ text: String, on descriptor: Int32, column: Int? = nil) -> String {
        guard let width = Terminal.columns(descriptor) else { return text }
        guard let column else { return MessageLines.folded(text, width: width) }
        return MessageLines.hanging(text, at: column, width: width)
    }

    /// Prints to standard error why the command ends, without control characters. Each line is marked as an error for
    /// the journal.
    static func failure(_ text: String) {
        let shown = ControlCharacters.escapedLines(text)
        guard LogStyle.isJournal(Environment.all) else { return write(2, folded(shown, on: 2) + "\n") }
        let lines = shown.split(separator: "\n", omittingEmptySubsequences: false)
        write(2, lines.map { "<3>\($0)\n" }.joined())
    }

    /// Prints JSON to standard output. Control characters can occur only in strings, where JSON can escape them.
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

    /// Writes to standard output. Returns an error if that fails, unless the reader has closed the pipe, which is no
    /// failure.
    private static func unwritten(_ text: String) -> SystemError? {
        SystemCall.writeAll(1, text.utf8) || errno == EPIPE ? nil : SystemError(Self.notWritable)
    }

    /// Prints what a command has done to standard output, folded for a terminal. If that fails, `problem` repeats the
    /// text, because it was done all the same.
    static func report(_ text: String) {
        say(text)
        if lost.with({ $0 }) != nil { unsaid.with { $0.append(text) } }
    }

    /// Why standard output is incomplete, and what the command did nevertheless; nil if it is complete.
    static var problem: String? {
        guard let error = lost.with({ $0 }) else { return nil }
        let reports = unsaid.with { $0 }
        return ([error.description + (reports.isEmpty ? "" : ". This was done, and is said here:")] + reports)
            .joined(separator: "\n")
    }

    private static let lost = Guarded<SystemError?>(nil)
    /// Reports that standard output did not accept.
    private static let unsaid = Guarded<[String]>([])
    /// The error of each write to a standard output that the caller closed, in spite of its placeholder.
    private static let closed = Guarded<SystemError?>(nil)
    private static let notWritable = "standard output cannot be written"

    /// Reads one line from standard input, without its line feed; nil at the end. At a terminal, shows `prompt` and
    /// hides what is typed. Cuts the line at 64 KiB, which is longer than any secret.
    static func readSecret(prompt: String) -> String? {
        guard isatty(0) == 1, csystem_hide_typing() == 0 else { return readLine() }
        write(2, prompt)
        defer {
            csystem_show_typing()
            write(2, "\n")
        }
        return readLine()
    }

    /// Whether standard input, if it is not a terminal, has more than a line ending left. That may be the rest of a
    /// secret that was broken into lines.
    static var hasMoreInput: Bool {
        var count: Int32 = 0
        return isatty(0) == 0 && ioctl(0, UInt(FIONREAD), &count) == 0 && count > 2
    }

    /// Whether a person can be asked.
    static var isAtTerminal: Bool { isatty(0) == 1 && isatty(2) == 1 }

    /// Asks a person for a line; nil at the end of the input.
    static func ask(_ prompt: String) -> String? {
        write(2, folded(ControlCharacters.escapedLines(prompt), on: 2))
        return readLine()
    }

    /// Asks a person for a yes.
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
