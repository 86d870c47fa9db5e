import Cryptography
import Platform
import Support

/// Writes key files, for `squire shared key`.
extension SharedKeyFile {
    /// A new random key as a line of a key file, without its line feed. A secret.
    public static func newLine() -> String {
        Base64.encode(Random.bytes(SharedKey.count))
    }

    /// Creates a file with one new key. The file has mode 0600 from the start and is on disk when this returns. An
    /// existing file is never overwritten, and no symbolic link is followed.
    public static func create(_ path: String) throws(Problem) -> SharedKeyFile {
        let text = Array((newLine() + "\n").utf8)
        let result = try SharedKeyFile(parsing: text)
        let file = try newFile(path)
        do throws(Problem) {
            try fill(file, text)
        } catch {
            unsafe unlink(path)
            throw error
        }
        // Best effort: some file systems cannot synchronize a directory, and the file itself is already on disk.
        try? ParentDirectory.synchronize(of: path)
        return result
    }

    /// Appends a new key as the last line, so that it opens records but does not seal yet. The file is replaced
    /// atomically; where `path` is a symbolic link, its target is. Concurrent calls lose no key.
    public static func add(to path: String) throws(Problem) -> SharedKeyFile {
        let place = (RealPath.of(path) ?? path)
        let partial = place + ".new"
        let file: FileDescriptor
        do throws(Problem) {
            // The new file doubles as a lock: only the process that created it reads and replaces the key file.
            file = try newFile(partial)
        } catch {
            throw error == .exists ? .inChange(partial) : error
        }
        do throws(Problem) {
            var text = try contents(place)
            _ = try SharedKeyFile(parsing: text)
            if text.last != UInt8(ascii: "\n") { text.append(UInt8(ascii: "\n")) }
            text += (newLine() + "\n").utf8
            let result = try SharedKeyFile(parsing: text)
            guard text.count <= maxBytes else { throw .tooManyKeys }
            try fill(file, text)
            guard unsafe rename(partial, place) == 0 else { throw .unwritable(errno) }
            try? ParentDirectory.synchronize(of: place)
            return result
        } catch {
            unsafe unlink(partial)
            throw error
        }
    }

    private static func newFile(_ path: String) throws(Problem) -> FileDescriptor {
        do {
            return try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        } catch {
            throw error.code == EEXIST ? .exists : .unwritable(error.code)
        }
    }

    /// Writes `bytes` and synchronizes them to disk.
    private static func fill(_ file: borrowing FileDescriptor, _ bytes: [UInt8]) throws(Problem) {
        // The umask may have removed even the owner's permissions.
        guard fchmod(file.number, 0o600) == 0, file.writeAll(bytes), file.synchronize() else {
            throw .unwritable(errno)
        }
    }
}
