import Cryptography
import Platform
import Support

/// Making keys, for `squire shared key`.
extension SharedKeyFile {
    /// A new key, as a line of a file without its end. A secret.
    public static func newLine() -> String {
        Base64.encode(Random.bytes(SharedKey.count))
    }

    /// Makes a file with one new key, mode 0600 from its first moment and on disk when this returns. Writes over
    /// nothing, and through no link.
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
        // Best effort: some file systems have no such thing, and the file itself is there.
        try? ParentDirectory.synchronize(of: path)
        return result
    }

    /// Adds a new key as the last line: it opens, and seals nothing yet. The file is replaced at once, behind a link
    /// where there is one. Two commands at a time lose no key.
    public static func add(to path: String) throws(Problem) -> SharedKeyFile {
        let place = (RealPath.of(path) ?? path)
        let partial = place + ".new"
        let file: FileDescriptor
        do throws(Problem) {
            // First: only who has made it reads and replaces.
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

    /// On disk when this returns.
    private static func fill(_ file: borrowing FileDescriptor, _ bytes: [UInt8]) throws(Problem) {
        // The mask of the process may have taken our own rights away too.
        guard fchmod(file.number, 0o600) == 0, file.writeAll(bytes), file.synchronize() else {
            throw .unwritable(errno)
        }
    }
}
