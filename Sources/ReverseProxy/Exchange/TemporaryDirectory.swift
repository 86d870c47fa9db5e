import EventIO
import Platform

/// The directory for bodies that are too large for memory.
///
/// Bodies are written and read on the loop, so not on a disk unless TMPDIR asks for it: memory that can be swapped
/// (tmpfs(5)) does not stall.
public enum TemporaryDirectory {
    /// In the order of preference.
    private static let candidates: [String] = {
        var directories: [String] = []
        for name in ["TMPDIR", "XDG_RUNTIME_DIR"] {
            if let value = getenv(name), value.pointee != 0 { directories.append(String(cString: value)) }
        }
        return directories + ["/dev/shm", "/tmp", "/var/tmp"]
    }()

    /// A new file without a name in the first directory that accepts one; nil if none does, or descriptors are scarce.
    static func unnamedFile() -> FileDescriptor? {
        for directory in candidates {
            guard let file = try? FileDescriptor.unnamedFile(in: directory) else { continue }
            guard file.number < Descriptors.ceiling else { return nil }
            return file
        }
        return nil
    }

    /// Tries the directories in turn, with one byte each, until one works. Returns a message about them: nil if the
    /// first works, otherwise a sentence without its full stop.
    public static func problem() -> (text: String, isFatal: Bool)? {
        var refusals: [String] = []
        for directory in candidates {
            do throws(SystemError) {
                let file = try FileDescriptor.unnamedFile(in: directory)
                var byte: UInt8 = 0
                guard pwrite(file.number, &byte, 1, 0) == 1 else { throw SystemError("cannot write to \(directory)") }
                if refusals.isEmpty { return nil }
                return ("large bodies are kept in \(directory) (\(refusals.joined(separator: "; ")))", false)
            } catch {
                refusals.append("\(directory): \(error.reason)")
            }
        }
        return (
            "large bodies cannot be kept, so such requests are not sent again after a refusal: "
                + refusals.joined(separator: "; "), true
        )
    }
}
