/// An open file, pipe or socket, closed when the value goes away.
///
/// *Ownership*: exactly one value owns the descriptor, which the compiler ensures. *Threading*: any thread.
public struct FileDescriptor: ~Copyable, Sendable {
    /// For system calls. Valid as long as this value.
    public let number: Int32

    /// Takes ownership of `number`, which must be open and owned by nobody else.
    public init(owning number: Int32) {
        self.number = number
    }

    deinit {
        _ = Platform.close(number)
    }

    /// Gives up ownership: the caller closes it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// Opens `path`. A new file gets `mode`.
    public static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws(SystemError) -> FileDescriptor
    {
        let number = SystemCall.retrying { unsafe Platform.open(path, flags | O_CLOEXEC, mode) }
        guard number >= 0 else { throw SystemError("cannot open \(path)") }
        return FileDescriptor(owning: number)
    }

    /// Creates a file without a name, which disappears when it is closed. Its bytes are in `directory`.
    public static func unnamedFile(in directory: String) throws(SystemError) -> FileDescriptor {
        var template = Array("\(directory)/squire.XXXXXX".utf8CString)
        let number = unsafe mkstemp(&template)
        guard number >= 0 else { throw SystemError("cannot create a file in \(directory)") }
        unsafe unlink(template)
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        return FileDescriptor(owning: number)
    }

    /// Reads at `offset` of the file: the number of bytes, 0 at the end, or -1 with `errno`.
    public borrowing func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let number = number
        return SystemCall.retrying { unsafe pread(number, buffer.baseAddress, buffer.count, off_t(offset)) }
    }

    /// Writes all of `bytes`, starting at `offset` of the file. False, with `errno`, if the rest cannot be written.
    public borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        unsafe SystemCall.writeAll(number, bytes, at: offset)
    }

    /// Reads from the current position to the end.
    public borrowing func readAll(limit: Int) -> SystemCall.ReadResult {
        SystemCall.readAll(number, limit: limit)
    }

    /// Writes all of `bytes`. False, with `errno`, if the rest cannot be written.
    public borrowing func writeAll(_ bytes: some Collection<UInt8>) -> Bool {
        SystemCall.writeAll(number, bytes)
    }

    /// What fstat(2) says; nil, with `errno`, if it fails.
    public borrowing func information() -> stat? {
        var information = stat()
        return unsafe fstat(number, &information) == 0 ? information : nil
    }

    /// Whether `path` itself, not what a link there leads to, is the open file `number`.
    public static func isNamed(_ number: Int32, _ path: String) -> Bool {
        var (ours, named) = (stat(), stat())
        return unsafe fstat(number, &ours) == 0 && lstat(path, &named) == 0 && ours.st_dev == named.st_dev
            && ours.st_ino == named.st_ino
    }

    /// Waits until the file's bytes are on the disk (fsync(2)).
    public borrowing func synchronize() -> Bool {
        let number = number
        return SystemCall.retrying { fsync(number) } == 0
    }
}
