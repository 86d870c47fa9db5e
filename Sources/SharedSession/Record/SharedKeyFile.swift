import Cryptography
public import Platform
import Support

/// The keys with which a fleet seals its session. Each line of the file is 32 random octets in base64. The first key
/// seals and all of them open, so that a new key can be distributed to every machine before it seals anything.
public struct SharedKeyFile: Sendable, CustomStringConvertible, CustomReflectable {
    /// Why a key file cannot be used or created.
    public enum Problem: Error, Equatable, Sendable {
        case unreadable(NamedFile.Problem)
        /// Other users may read or change the file.
        case exposed
        case empty
        case tooManyKeys
        /// The line with that number, counted from 1, holds no key.
        case badLine(Int)
        /// The line with that number repeats an earlier key.
        case repeated(Int)
        case exists
        /// Another command is changing the file, or was killed while it did. The value is the path of its unfinished
        /// file.
        case inChange(String)
        /// The system's cryptography does not work.
        case unavailable
        /// The value is `errno`.
        case unwritable(Int32)

        /// A predicate for a sentence whose subject is the file. Reveals nothing about a key.
        public var text: String {
            switch self {
            case .unreadable(let problem): "cannot be read: \(problem.text)"
            case .exposed: "may be read or changed by other users of this machine: it must have the mode 0600"
            case .empty: "is empty: squire shared key makes a key"
            case .tooManyKeys:
                "holds more than \(SharedKeyFile.maxKeys) keys: take out those that seal nothing any more"
            case .badLine(let line):
                "line \(line): a key is \(SharedKey.count) octets in base64, as squire shared key makes it"
            case .repeated(let line): "line \(line): the key is there already"
            case .exists:
                "is there already, and is not overwritten: without its keys nobody can open the shared session"
            case .inChange(let path):
                "is being changed: \(path) is there. If no other command is at work, remove that one"
            case .unavailable: "cannot be used: \(CryptographyError.unavailable)"
            case .unwritable(let code): unsafe "cannot be written: \(String(cString: strerror(code)))"
            }
        }
    }

    static let maxKeys = 16
    static let maxBytes = 4096

    /// Never empty. The first key seals.
    let keys: [SharedKey]

    public var keyIDs: [SharedKeyID] { keys.map(\.id) }

    /// Reads a key file. Throws if others than its owner may read or change it. Never blocks, not even on a FIFO.
    public static func load(_ path: String) throws(Problem) -> SharedKeyFile {
        try SharedKeyFile(parsing: try contents(path))
    }

    static func contents(_ path: String) throws(Problem) -> [UInt8] {
        let file: FileDescriptor
        do throws(NamedFile.Problem) {
            file = try NamedFile.open(path)
        } catch {
            throw .unreadable(error)
        }
        guard let information = file.information() else { throw .unreadable(.system(errno)) }
        // Checks the open file, because its name may refer to another one a moment later.
        guard information.st_mode & S_IFMT != S_IFREG || information.st_mode & 0o066 == 0 else { throw .exposed }
        switch file.readAll(limit: maxBytes) {
        case .bytes(let bytes): return bytes
        case .tooLarge: throw .unreadable(.tooLarge(maxBytes))
        case .failed(let code): throw .unreadable(.system(code))
        }
    }

    /// Parses the contents of a key file. Blank lines are ignored.
    public init(parsing bytes: [UInt8]) throws(Problem) {
        var keys: [SharedKey] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let text = Self.trimmed(line)
            guard !text.isEmpty else { continue }
            guard let decoded = Base64.decode(String(decoding: text, as: UTF8.self)), let key = try Self.key(decoded)
            else {
                throw .badLine(index + 1)
            }
            guard !keys.contains(where: { $0.id == key.id }) else { throw .repeated(index + 1) }
            guard keys.count < Self.maxKeys else { throw .tooManyKeys }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw .empty }
        self.keys = keys
    }

    private static func key(_ bytes: [UInt8]) throws(Problem) -> SharedKey? {
        do throws(CryptographyError) {
            return try SharedKey(bytes)
        } catch {
            throw .unavailable
        }
    }

    /// `line` without surrounding blanks, and without the carriage return that some editors add.
    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D }
        var rest = line.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }

    public var description: String { "(\(keys.count) keys)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
