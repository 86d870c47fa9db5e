public import Credentials
import Cryptography
import Platform
import ReverseProxy
import Support

/// Where a session is kept.
public enum SessionPlace: Equatable, Sendable {
    /// The path in `session.file`, `--session` or `SQUIRE_SESSION`.
    case named(String)
    /// The file for the configuration and its upstream, or for `session.name` and its upstream.
    case standard(String)
    /// The file of an older version, because it is bound to this upstream and `next`, the standard file, does not exist
    /// yet. The next login writes `next`.
    case former(String, next: String)

    /// The file.
    public var file: String {
        switch self {
        case .named(let file), .standard(let file), .former(let file, _): file
        }
    }

    /// The file that a login writes.
    public var loginFile: String {
        switch self {
        case .named(let file), .standard(let file), .former(_, let file): file
        }
    }
}

/// Finds the place of a session. Reads files and writes none.
struct SessionPlaces {
    /// `$XDG_STATE_HOME/squire`.
    let directory: String

    init(_ environment: [String: String]) {
        directory = Self.directory(environment)
    }

    static func directory(_ environment: [String: String]) -> String {
        // A relative path is ignored (XDG base directory specification).
        let base = environment["XDG_STATE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        return (base ?? TextFile.home(environment) + "/.local/state") + "/squire"
    }

    /// The standard file: `HOST-HASH.json`, where HASH is of the origin and the configuration's real path, or
    /// `HOST-NAME-HASH.json`, where HASH is of the origin only, so that configurations with one name share the session.
    func standard(
        _ binding: SessionBinding,
        host: String,
        name: String?
    ) throws(CryptographyError) -> String {
        let host = Self.fileName(host)
        guard let name else {
            let hash = try Self.hash("\(binding.origin)\0\(binding.configuration ?? "")")
            return "\(directory)/\(host)-\(hash).json"
        }
        return "\(directory)/\(host)-\(name)-\(try Self.hash(binding.origin)).json"
    }

    /// `$XDG_STATE_HOME/squire/NAME.json`, where NAME is the configuration file's: the place in version 0.1.
    func former(_ path: String?) -> String {
        var name = path.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? "squire"
        if let dot = name.lastIndex(of: "."), dot != name.startIndex { name = String(name[..<dot]) }
        return "\(directory)/\(name).json"
    }

    private static let maximumHost = 100

    /// The host in lower case, with `_` for characters that a file name should not contain.
    private static func fileName(_ host: String) -> String {
        let bytes = host.lowercased().utf8.prefix(maximumHost).map { byte -> UInt8 in
            switch byte {
            case 0x61...0x7A, 0x30...0x39, 0x2E, 0x2D: byte
            default: 0x5F
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The first 8 hexadecimal digits of SHA-256.
    private static func hash(_ text: String) throws(CryptographyError) -> String {
        Hexadecimal.text(Array(try SHA256.hash(Array(text.utf8)).prefix(4)))
    }

    // MARK: Looking

    /// The record of a file's session; nil if it cannot be read.
    static func record(_ file: String) -> SessionRecord? {
        try? SessionFile(path: file).session()
    }

    /// Why the standard file belongs to another configuration, through a hash collision or a copy; nil if it does not.
    static func collision(_ file: String, _ binding: SessionBinding, isShared: Bool) -> String? {
        guard let record = record(file) else { return nil }
        let advice = "move it away, or name another with session.file"
        if let origin = record.foreignOrigin(to: binding) {
            return "\(file) belongs to a session for \(origin): \(advice)"
        }
        guard !isShared, record.token != nil, let owner = record.configuration, owner != binding.configuration else {
            return nil
        }
        return "\(file) belongs to the session of \(owner): \(advice)"
    }

    /// The place of the session if no file is named.
    func place(standard: String, former: String, _ binding: SessionBinding) -> SessionPlace {
        guard former != standard, !PrivateFile.exists(standard), let record = Self.record(former), record.origin != nil,
            record.token != nil, record.foreignOrigin(to: binding) == nil,
            // It belongs to the configuration that used it first: another project of the same API has its own.
            record.configuration == nil || record.configuration == binding.configuration
        else { return .standard(standard) }
        return .former(former, next: standard)
    }
}

// MARK: What lies beside it

extension LoadedConfiguration {
    /// Hints for a person whose session file has no session: files with sessions that this configuration could use.
    /// Reads the state directory.
    public var hints: [String] {
        guard case .standard(let file) = place else { return [] }
        var result: [String] = []
        let former = places.former(path)
        if former != file, let record = SessionPlaces.record(former), record.token != nil, record.origin == nil {
            result.append(
                "an older Squire left a session in \(former); to use it here: session.file: \(former)"
            )
        }
        let orphans = SessionFiles(directory: places.directory).list().filter { entry in
            guard entry.file != file, case .session(let record) = entry.content, record.token != nil,
                let owner = record.configuration, let origin = record.origin
            else { return false }
            return SessionBinding.isSame(origin, binding.origin) && !PrivateFile.exists(owner)
        }
        for orphan in orphans.prefix(5) {
            guard case .session(let record) = orphan.content, let owner = record.configuration else { continue }
            result.append(
                "\(orphan.file) holds a session for the same API, whose configuration \(owner) is gone; "
                    + "to use it here: session.file: \(orphan.file). "
                    + "To keep one session wherever the configuration lies: session.name: NAME"
            )
        }
        return result
    }

    /// A notice about the session of an older version, shown once; nil if it was shown.
    public var formerNotice: String? {
        guard case .former(let file, let next) = place, let record = SessionPlaces.record(file),
            record.configuration == nil
        else { return nil }
        return "the session is in \(file), where an older Squire left it; the next login writes \(next)"
    }
}

/// This user's session files in the state directory, of all configurations.
public struct SessionFiles {
    private let directory: String

    public enum Content {
        case session(SessionRecord)
        /// The file cannot be used, for that reason.
        case damaged(String)
    }

    public struct Entry {
        public var file: String
        public var content: Content
    }

    init(directory: String) {
        self.directory = directory
    }

    public init(environment: [String: String]) {
        directory = SessionPlaces.directory(environment)
    }

    private static let maximumFiles = 10_000

    /// The files by name, except replaced sessions and files whose names are not UTF-8.
    public func list() -> [Entry] {
        guard let stream = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while names.count < Self.maximumFiles, let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(validatingCString: $0) }
            }
            if let name, name.hasSuffix(".json"), !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted().compactMap { name in
            let file = "\(directory)/\(name)"
            do throws(SessionFileError) {
                return try SessionFile(path: file).session().map { Entry(file: file, content: .session($0)) }
            } catch {
                return Entry(file: file, content: .damaged(error.description))
            }
        }
    }
}
