import CSystem
import Platform
import Threads

/// A command that runs, in a process group of its own: what it prints, and its end.
///
/// *Threading*: belongs to one thread at a time. *Ownership*: `reap` exactly once, last; until then its number is nobody
/// else's.
final class ChildProcess: @unchecked Sendable {
    // `@unchecked`: handed from the thread that reads to the one that ends it, which is the only one then.
    private let number: pid_t
    /// Can be read once it has ended; nil where the system has no such thing, and it is looked for instead.
    private let watch: OpenFile?
    private let output: OpenFile
    /// Nil when it says what it has to say to the terminal.
    private let errors: OpenFile?
    private let terminal: TerminalLoan?
    private var lastLine = LastLine()

    /// How often it is looked whether it has ended, where there is no better way; in milliseconds.
    private static let lookInterval: Int32 = 20
    /// What a pipe holds at least (PIPE_BUF).
    private static let maxInput = 4096
    /// Bytes of complaints that are read at a time.
    private static let complaintsAtOnce = 256 * 1024

    /// Starts it. Throws what the system says when that cannot be done.
    init(
        _ arguments: [String],
        directory: String,
        environment: [String: String],
        input: CommandRunner.Input
    ) throws(SystemError) {
        let terminal = input == .terminal ? TerminalLoan() : nil
        let (out, err) = (try Pipe(), try Pipe())
        let source = try Self.source(input)
        var child = pid_t()
        let status = unsafe Self.withStrings(arguments) { arguments in
            unsafe Self.withStrings(environment.map { "\($0.key)=\($0.value)" }) { environment in
                unsafe directory.withCString { directory in
                    var none = sigset_t()
                    unsafe sigemptyset(&none)
                    return unsafe withUnsafePointer(to: none) { mask in
                        var command = unsafe csystem_command()
                        unsafe command.arguments = arguments
                        unsafe command.environment = environment
                        unsafe command.directory = directory
                        unsafe command.mask = mask
                        unsafe command.streams =
                            terminal == nil
                            ? (source.number, out.writer.number, err.writer.number) : (-1, out.writer.number, -1)
                        unsafe command.group = terminal == nil ? CSYSTEM_GROUP_OWN : CSYSTEM_GROUP_FOREGROUND
                        return unsafe csystem_spawn(&command, &child)
                    }
                }
            }
        }
        guard status == 0 else {
            terminal?.takeBack()
            throw SystemError("cannot start a command", code: status)
        }
        number = child
        let watched = csystem_watch_process(child)
        watch = watched >= 0 ? OpenFile(owning: watched) : nil
        self.terminal = terminal
        output = out.reader
        errors = terminal == nil ? err.reader : nil
    }

    /// How reading ended. What has not ended goes on.
    enum Reading {
        /// It has ended; what it printed.
        case ended([UInt8])
        case tooMuch
        case timedOut
        /// It was told to stop.
        case stopped
    }

    /// Reads what it prints, until it has ended. What it started may go on, and keep its output open: that is not waited
    /// for. `deadline` is on the `MonotonicClock`.
    func read(limit: Int, until deadline: UInt64, stop: StopSignal? = nil) -> Reading {
        var bytes: [UInt8] = []
        var isOpen = (output: true, errors: errors != nil)
        while true {
            let hasEnded = waits(forOutput: isOpen.output, errors: isOpen.errors, stop: stop, until: deadline)
            if isOpen.output {
                isOpen.output = Self.drain(output.number, upTo: limit + 1) { bytes += $0 }
            }
            if bytes.count > limit { return .tooMuch }
            if isOpen.errors, let errors {
                isOpen.errors = Self.drain(errors.number, upTo: Self.complaintsAtOnce) { lastLine.append($0) }
            }
            if hasEnded { return .ended(bytes) }
            if let stop, stop.isGiven { return .stopped }
            if MonotonicClock.now() >= deadline { return .timedOut }
        }
    }

    /// The last line on standard error, however it was meant. Nil if there is none.
    var complaint: String? { lastLine.text }

    /// Waits for something to read, the end, or `stop`; true when it has ended.
    private func waits(
        forOutput: Bool,
        errors hasErrors: Bool,
        stop: StopSignal? = nil,
        until deadline: UInt64
    ) -> Bool {
        var polled: [pollfd] = []
        if forOutput { polled.append(pollfd(fd: output.number, events: Int16(POLLIN), revents: 0)) }
        if hasErrors, let errors { polled.append(pollfd(fd: errors.number, events: Int16(POLLIN), revents: 0)) }
        for descriptor in [watch?.number, stop?.descriptor] {
            if let descriptor { polled.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)) }
        }
        let now = MonotonicClock.now()
        // One more, so that the deadline has passed afterwards.
        let left = deadline > now ? Int32(min((deadline - now) / 1_000_000 + 1, 3_600_000)) : 0
        _ = unsafe poll(&polled, nfds_t(polled.count), watch == nil ? min(left, Self.lookInterval) : left)
        return hasEnded
    }

    private var hasEnded: Bool {
        var ended = unsafe siginfo_t()
        let result = SystemCall.retrying { unsafe waitid(P_PID, id_t(number), &ended, WEXITED | WNOHANG | WNOWAIT) }
        // Of one that still runs the C library fills nothing in.
        return unsafe result != 0 || ended.si_signo == SIGCHLD
    }

    /// Waits for the end, reading nothing. False when it does not come in time.
    func waitForEnd(until deadline: UInt64) -> Bool {
        while !waits(forOutput: false, errors: false, until: deadline) {
            if MonotonicClock.now() >= deadline { return false }
        }
        return true
    }

    /// To its whole group.
    func signal(_ signal: Int32) {
        kill(-number, signal)
    }

    /// It is waited for no more: what was lent to it is taken back, and it is asked to end.
    func giveUp() {
        terminal?.takeBack()
        signal(SIGTERM)
    }

    /// Waits for the end, and gives the status of wait(2).
    func reap() -> Int32 {
        // It is waited for first, so that its number is still its own while it is taken from the list.
        while !waitForEnd(until: .max) {}
        csystem_forget_command(number)
        terminal?.takeBack()
        var status: Int32 = 0
        // Somebody else's looking away from the ends of processes would take the status along: that is no success.
        guard SystemCall.retrying({ unsafe waitpid(number, &status, 0) }) == number else { return 127 << 8 }
        return status
    }

    // MARK: Making it

    /// An open file that may be missing, or have several owners.
    private final class OpenFile: Sendable {
        private let file: FileDescriptor
        var number: Int32 { file.number }

        init(owning number: Int32) {
            file = FileDescriptor(owning: number)
        }
    }

    /// Closed at its execution (execve(2)). Reading does not block.
    private struct Pipe {
        let reader: OpenFile
        let writer: OpenFile

        init() throws(SystemError) {
            var ends: [Int32] = [-1, -1]
            guard unsafe pipe(&ends) == 0 else { throw SystemError("cannot make a pipe") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
            (reader, writer) = (OpenFile(owning: ends[0]), OpenFile(owning: ends[1]))
        }
    }

    /// What becomes its standard input.
    private static func source(_ input: CommandRunner.Input) throws(SystemError) -> OpenFile {
        guard case .bytes(let bytes) = input else {
            let number = SystemCall.retrying { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }
            guard number >= 0 else { throw SystemError("cannot open /dev/null") }
            return OpenFile(owning: number)
        }
        let pipe = try Pipe()
        // It may take a pipe that does not block for one that has nothing to say.
        _ = fcntl(pipe.reader.number, F_SETFL, 0)
        // A pipe holds it all: nobody reads yet.
        guard bytes.count <= maxInput, SystemCall.writeAll(pipe.writer.number, bytes) else {
            throw SystemError("cannot write to a command", code: EMSGSIZE)
        }
        return pipe.reader
    }

    /// Reads all there is; false at the end.
    private static func drain(_ descriptor: Int32, upTo limit: Int, _ take: (ArraySlice<UInt8>) -> Void) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        var total = 0
        while total < limit {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe SystemCall.read(descriptor, into: $0) }
            if count < 0 { return errno == EAGAIN || errno == EWOULDBLOCK }
            if count == 0 { return false }
            take(chunk[..<count])
            total = total.adding(saturating: count)
        }
        return true
    }

    private static func withStrings<Result>(
        _ strings: [String],
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Result
    ) -> Result {
        let pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
    }
}

/// The last line of a text that comes in pieces, in bounded memory.
struct LastLine {
    private var line: [UInt8] = []
    private var isComplete = false
    /// Of a longer line the beginning is kept.
    static let maxBytes = 4096

    mutating func append(_ bytes: ArraySlice<UInt8>) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                isComplete = true
            } else if isComplete, byte > 0x20 {
                // An empty line is not the last one.
                line = [byte]
                isComplete = false
            } else if !isComplete, line.count < Self.maxBytes {
                line.append(byte)
            }
        }
    }

    /// Nil if there is none, or a blank one.
    var text: String? {
        line.contains { $0 > 0x20 } ? String(decoding: line, as: UTF8.self) : nil
    }
}

/// The terminal, lent to a command that asks a person: its group gets the keys. Nil where there is none, or it is not
/// this process's to lend.
final class TerminalLoan: Sendable {
    private let settings: Guarded<termios>

    init?() {
        var settings = termios()
        guard isatty(STDIN_FILENO) == 1, tcgetpgrp(STDIN_FILENO) == getpgrp(),
            unsafe tcgetattr(STDIN_FILENO, &settings) == 0
        else { return nil }
        self.settings = Guarded(settings)
    }

    /// However the command left it.
    func takeBack() {
        // Who takes the terminal from the background is stopped, unless that signal is blocked.
        var (blocked, former) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&blocked)
        unsafe sigaddset(&blocked, SIGTTOU)
        unsafe pthread_sigmask(SIG_BLOCK, &blocked, &former)
        tcsetpgrp(STDIN_FILENO, getpgrp())
        settings.with { _ = unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &$0) }
        unsafe pthread_sigmask(SIG_SETMASK, &former, nil)
    }
}
