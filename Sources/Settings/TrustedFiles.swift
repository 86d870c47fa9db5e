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
        /// SHA-256 of the contents, in hexadecimal. It decides alone.
        var digest: String
        /// For messages.
        var parts = ConfigurationParts(digests: [:])

        /// Whether it is the same state of the same file.
        func isSame(as other: Entry) -> Bool { path == other.path && digest == other.digest }
    }

    init(directory: String) {
        path = directory + "/trusted"
    }

    static func digest(_ text: String) throws(CryptographyError) -> String {
        Hexadecimal.text(try SHA256.hash(Array(text.utf8)))
    }

    func contains(_ entry: Entry) -> Bool { entries.contains(where: entry.isSame) }

    /// What differs from the state of the file that was last named or confirmed, for people; nil if there was none, or
    /// an older version stored nothing about it.
    func difference(of entry: Entry) -> String? {
        guard let old = entries.first(where: { $0.path == entry.path }), !old.parts.digests.isEmpty else { return nil }
        return entry.parts.difference(from: old.parts)
    }

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
            return Entry(path: path, digest: digest, parts: Self.parts(item["keys"]))
        }
    }

    private static func parts(_ value: JSONValue?) -> ConfigurationParts {
        guard case .object(let members)? = value else { return ConfigurationParts(digests: [:]) }
        let digests = members.prefix(2 * ConfigurationParts.maximumKeys).compactMap { member in
            member.value.string.map { (member.name, $0) }
        }
        return ConfigurationParts(digests: Dictionary(digests) { $1 })
    }

    private static func json(_ entry: Entry) -> JSONValue {
        let keys = entry.parts.digests.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }
        return .object([
            .init("path", .string(entry.path)), .init("sha256", .string(entry.digest)), .init("keys", .object(keys)),
        ])
    }

    /// Adds an entry in place of the one with its path. False if that cannot be saved.
    @discardableResult
    func add(_ entry: Entry) -> Bool {
        let old = entries
        if old.contains(where: entry.isSame) { return true }
        let all = (old.filter { $0.path != entry.path } + [entry]).suffix(Self.maximumEntries)
        let document = JSONValue.object([
            .init("version", .integer(1)),
            .init("files", .array(all.map(Self.json))),
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
    /// `isReload`: a running proxy reads it again.
    public func distrust(_ loaded: LoadedConfiguration, isReload: Bool = false) -> ConfigurationError? {
        guard case .here(let path) = loaded.found, let entry = loaded.trustEntry, !loaded.keysToAllow.isEmpty,
            !TrustedFiles(directory: loaded.places.directory).contains(entry)
        else { return nil }
        let command = isReload ? "squire reload --config \(CommandLines.quoted(entry.path))" : naming(path)
        let change = changeSinceTrusted(loaded).map { " (since you last did, this changed: \($0))" } ?? ""
        return ConfigurationError(
            loaded.keysToAllow.map { key in
                .init(
                    source: path,
                    line: key.line,
                    message: "\(key.name) takes effect only once you have named this file, as it is now\(change): "
                        + command
                )
            }
        )
    }

    /// What changed in the file since a person last named or confirmed it; nil if nobody did, or it is not known.
    public func changeSinceTrusted(_ loaded: LoadedConfiguration) -> String? {
        loaded.trustEntry.flatMap { TrustedFiles(directory: loaded.places.directory).difference(of: $0) }
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
