import CSystem
import Platform
import Threads

/// A running command, in a process group of its own: reads its output, and waits for its end.
///
/// *Threading*: belongs to one thread at a time. *Ownership*: call `reap` exactly once, last; until then the process ID
/// is not reused.
final class ChildProcess: @unchecked Sendable {
    // `@unchecked`: the reading thread passes it on to the thread that ends the process, and no longer uses it.
    private let number: pid_t
    /// Becomes readable when the process has ended (pidfd_open(2)); nil on systems without that, which are polled.
    private let watch: OpenFile?
    private let output: OpenFile
    /// Its standard error; nil if that is the terminal.
    private let errors: OpenFile?
    private let terminal: TerminalLoan?
    private var lastLine = LastLine()

    /// The polling interval on systems without a process descriptor, in milliseconds.
    private static let lookInterval: Int32 = 20
    /// The minimum capacity of a pipe in bytes (PIPE_BUF).
    private static let maxInput = 4096
    /// How many bytes of standard error are read at a time.
    private static let complaintsAtOnce = 256 * 1024

    /// Starts the command. Throws `SystemError` if that fails.
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

    /// How reading ended. A process that has not ended continues to run.
    enum Reading {
        /// The process has ended; the value is its output.
        case ended([UInt8])
        case tooMuch
        case timedOut
        /// `stop` was signalled.
        case stopped
    }

    /// Reads the output until the process has ended, or for as long as `limit` bytes and `deadline` (on
    /// `MonotonicClock`) allow. Does not wait for processes that it started, even if they keep its output open.
    /// Blocking.
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

    /// The last line on standard error; nil if there is none.
    var complaint: String? { lastLine.text }

    /// Waits for output, the end of the process, or `stop`. True if the process has ended.
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
        // Rounded up, so that the deadline has passed afterwards.
        let left = deadline > now ? Int32(min((deadline - now) / 1_000_000 + 1, 3_600_000)) : 0
        _ = unsafe poll(&polled, nfds_t(polled.count), watch == nil ? min(left, Self.lookInterval) : left)
        return hasEnded
    }

    private var hasEnded: Bool {
        var ended = unsafe siginfo_t()
        let result = SystemCall.retrying { unsafe waitid(P_PID, id_t(number), &ended, WEXITED | WNOHANG | WNOWAIT) }
        // waitid(2) leaves the structure empty if the process is still running.
        return unsafe result != 0 || ended.si_signo == SIGCHLD
    }

    /// Waits for the end without reading. False if `deadline` passes first.
    func waitForEnd(until deadline: UInt64) -> Bool {
        while !waits(forOutput: false, errors: false, until: deadline) {
            if MonotonicClock.now() >= deadline { return false }
        }
        return true
    }

    /// Sends the signal to the whole process group.
    func signal(_ signal: Int32) {
        kill(-number, signal)
    }

    /// Stops waiting for the process: takes back the terminal, and sends SIGTERM.
    func giveUp() {
        terminal?.takeBack()
        signal(SIGTERM)
    }

    /// Waits for the end and returns the status as of wait(2).
    func reap() -> Int32 {
        // Waits first without reaping, so that the process ID is not reused before it is removed from the list.
        while !waitForEnd(until: .max) {}
        csystem_forget_command(number)
        terminal?.takeBack()
        var status: Int32 = 0
        // If SIGCHLD is ignored, the status is lost, which does not count as success.
        guard SystemCall.retrying({ unsafe waitpid(number, &status, 0) }) == number else { return 127 << 8 }
        return status
    }

    // MARK: Making it

    /// An open file that may have several owners.
    private final class OpenFile: Sendable {
        private let file: FileDescriptor
        var number: Int32 { file.number }

        init(owning number: Int32) {
            file = FileDescriptor(owning: number)
        }
    }

    /// A close-on-exec pipe with a non-blocking read end.
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

    /// The file that becomes its standard input.
    private static func source(_ input: CommandRunner.Input) throws(SystemError) -> OpenFile {
        guard case .bytes(let bytes) = input else {
            let number = SystemCall.retrying { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }
            guard number >= 0 else { throw SystemError("cannot open /dev/null") }
            return OpenFile(owning: number)
        }
        let pipe = try Pipe()
        // The command may mistake a non-blocking pipe for an empty one.
        _ = fcntl(pipe.reader.number, F_SETFL, 0)
        // Must fit into the pipe, because nobody reads it yet.
        guard bytes.count <= maxInput, SystemCall.writeAll(pipe.writer.number, bytes) else {
            throw SystemError("cannot write to a command", code: EMSGSIZE)
        }
        return pipe.reader
    }

    /// Reads everything that is available. False at the end of the stream.
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

/// Keeps the last line of a text that arrives in pieces, in bounded memory.
struct LastLine {
    private var line: [UInt8] = []
    private var isComplete = false
    /// The beginning of a longer line is kept.
    static let maxBytes = 4096

    mutating func append(_ bytes: ArraySlice<UInt8>) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                isComplete = true
            } else if isComplete, byte > 0x20 {
                // Empty lines do not count.
                line = [byte]
                isComplete = false
            } else if !isComplete, line.count < Self.maxBytes {
                line.append(byte)
            }
        }
    }

    /// Nil if there is none, or if it is blank.
    var text: String? {
        line.contains { $0 > 0x20 } ? String(decoding: line, as: UTF8.self) : nil
    }
}

/// Makes the command's process group the terminal's foreground group, so that the command can ask a person. Nil if
/// there is no terminal, or if this process is not in the foreground.
final class TerminalLoan: Sendable {
    private let settings: Guarded<termios>

    init?() {
        var settings = termios()
        guard isatty(STDIN_FILENO) == 1, tcgetpgrp(STDIN_FILENO) == getpgrp(),
            unsafe tcgetattr(STDIN_FILENO, &settings) == 0
        else { return nil }
        self.settings = Guarded(settings)
    }

    /// Takes the terminal back and restores its settings.
    func takeBack() {
        // tcsetpgrp(3) from the background stops the caller unless SIGTTOU is blocked.
        var (blocked, former) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&blocked)
        unsafe sigaddset(&blocked, SIGTTOU)
        unsafe pthread_sigmask(SIG_BLOCK, &blocked, &former)
        tcsetpgrp(STDIN_FILENO, getpgrp())
        settings.with { _ = unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &$0) }
        unsafe pthread_sigmask(SIG_SETMASK, &former, nil)
    }
}
