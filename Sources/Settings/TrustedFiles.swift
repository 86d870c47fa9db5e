import Credentials
import Cryptography
import Platform
import Support

/// The configuration files that a person has named or confirmed, each with the content at that time:
/// `$XDG_STATE_HOME/squire/trusted`.
struct TrustedFiles {
    private let path: String

    /// Older entries are dropped: their files need another confirmation.
    private static let maximumEntries = 500
    private static let maximumBytes = 1 << 20

    struct Entry: Equatable {
        /// The real path.
        var path: String
        /// SHA-256 of the contents, in hexadecimal.
        var digest: String
    }

    init(directory: String) {
        path = directory + "/trusted"
    }

    static func digest(_ text: String) throws(CryptographyError) -> String {
        Hexadecimal.text(try SHA256.hash(Array(text.utf8)))
    }

    func contains(_ entry: Entry) -> Bool { entries.contains(entry) }

    /// A file that other users could have written is ignored.
    private var entries: [Entry] {
        guard let file = try? FileDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW),
            let information = file.information(), information.st_mode & S_IFMT == S_IFREG,
            information.st_uid == geteuid(), information.st_mode & 0o022 == 0,
            case .bytes(let bytes) = file.readAll(limit: Self.maximumBytes),
            case .array(let list)? = JSONValue(parsing: bytes)?["files"]
        else { return [] }
        return list.compactMap { item in
            guard let path = item["path"]?.string, let digest = item["sha256"]?.string else { return nil }
            return Entry(path: path, digest: digest)
        }
    }

    /// Adds an entry in place of the one with its path. False if that cannot be saved.
    @discardableResult
    func add(_ entry: Entry) -> Bool {
        let old = entries
        if old.contains(entry) { return true }
        let all = (old.filter { $0.path != entry.path } + [entry]).suffix(Self.maximumEntries)
        let document = JSONValue.object([
            .init("version", .integer(1)),
            .init(
                "files",
                .array(all.map { .object([.init("path", .string($0.path)), .init("sha256", .string($0.digest))]) })
            ),
        ])
        let draft = path + ".new"
        guard (try? ParentDirectory.make(for: path)) != nil else { return false }
        guard PrivateFile.create(draft, Array((document.serialized(pretty: true) + "\n").utf8)) else { return false }
        if unsafe rename(draft, path) == 0 { return true }
        unsafe unlink(draft)
        return false
    }
}

extension LoadedConfiguration {
    /// The keys that need a person's permission, with their lines. No configuration owns the session of an older
    /// version yet, and a cloned repository must not send it through its own proxy or certificate authority.
    public var keysToAllow: [(name: String, line: Int)] {
        guard case .former(let file, _) = place, SessionPlaces.record(file)?.configuration == nil else {
            return guardedKeys
        }
        return guardedKeys + leadingKeys
    }
}

extension ConfigurationLoader {
    /// Why a configuration that was found without being named must not be used before a person names or confirms it;
    /// nil if it may. Subcommands that only inspect it need not ask.
    public func distrust(_ loaded: LoadedConfiguration) -> ConfigurationError? {
        guard case .here(let path) = loaded.found, let entry = loaded.trustEntry, !loaded.keysToAllow.isEmpty,
            !TrustedFiles(directory: loaded.places.directory).contains(entry)
        else { return nil }
        return ConfigurationError(
            loaded.keysToAllow.map { key in
                .init(
                    source: path,
                    line: key.line,
                    message: "\(key.name) takes effect only once you have named this file, as it is now: "
                        + naming(path)
                )
            }
        )
    }

    /// Remembers that a person has named or confirmed the file with its current content.
    public func trust(_ loaded: LoadedConfiguration) {
        guard let entry = loaded.trustEntry, !loaded.keysToAllow.isEmpty else { return }
        TrustedFiles(directory: loaded.places.directory).add(entry)
    }

    /// The same for a file that was named and could be found without being named another time.
    public func trustNamed(_ loaded: LoadedConfiguration) {
        guard loaded.found.isNamed, let path = loaded.path else { return }
        let names = [path, loaded.trustEntry?.path ?? ""].map { $0.split(separator: "/").last }
        if names.contains(Substring(Self.unaskedName)) { trust(loaded) }
    }

    /// The same command line with `--config`.
    func naming(_ path: String) -> String {
        (["squire"] + command.prefix(1) + ["--config", path] + command.dropFirst()).map(CommandLines.quoted)
            .joined(separator: " ")
    }
}
