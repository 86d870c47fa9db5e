import EventIO
import Platform

/// Where bodies are kept that are too large for memory.
///
/// They are written and read on the loop, so not on a disk unless TMPDIR asks for it: memory that can be swapped
/// (tmpfs(5)) does not stall.
public enum TemporaryDirectory {
    /// In the order in which they are tried.
    private static let candidates: [String] = {
        var directories: [String] = []
        for name in ["TMPDIR", "XDG_RUNTIME_DIR"] {
            if let value = getenv(name), value.pointee != 0 { directories.append(String(cString: value)) }
        }
        return directories + ["/dev/shm", "/tmp", "/var/tmp"]
    }()

    /// A new file without a name, close-on-exec, in the first directory that takes one; nil if none does. Whoever gets
    /// it closes it.
    static func unlinkedFile() -> Int32? {
        for directory in candidates {
            guard case .success(let descriptor) = unlinkedFile(in: directory) else { continue }
            if descriptor < Descriptors.ceiling { return descriptor }
            close(descriptor)
            return nil
        }
        return nil
    }

    /// Tries the directories, with a byte in each, until one works. What there is to say about them: nil if the first
    /// works, else a sentence without its full stop.
    public static func problem() -> (text: String, isFatal: Bool)? {
        var refusals: [String] = []
        for directory in candidates {
            switch unlinkedFile(in: directory) {
            case .failure(let error): refusals.append("\(directory): \(String(cString: strerror(error.code)))")
            case .success(let descriptor):
                defer { close(descriptor) }
                var byte: UInt8 = 0
                guard pwrite(descriptor, &byte, 1, 0) == 1 else {
                    refusals.append("\(directory): \(String(cString: strerror(errno)))")
                    continue
                }
                if refusals.isEmpty { return nil }
                return ("large bodies are kept in \(directory) (\(refusals.joined(separator: "; ")))", false)
            }
        }
        return (
            "large bodies cannot be kept, so such requests are not sent again after a refusal: "
                + refusals.joined(separator: "; "), true
        )
    }

    private struct Refusal: Error {
        let code: Int32
    }

    private static func unlinkedFile(in directory: String) -> Result<Int32, Refusal> {
        var template = Array("\(directory)/squire-body.XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { return .failure(Refusal(code: errno)) }
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return .success(descriptor)
    }
}
