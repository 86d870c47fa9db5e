import Cryptography
import Platform
import Support

/// The keys of a configuration file with a digest of each one's value, so that a question about a changed file can say
/// what changed. The digests decide nothing: whether a file is trusted depends on all of its text.
struct ConfigurationParts: Equatable {
    /// SHA-256 in hexadecimal, by key: the keys of the file and, as `session.NAME`, those of `session`.
    var digests: [String: String] = [:]
    /// The lines of the keys, as far as they are in the file.
    var lines: [String: Int] = [:]

    /// More keys than a configuration has.
    static let maximumKeys = 100

    /// The digests that were stored for an earlier state of the file.
    init(digests: [String: String]) {
        self.digests = digests
    }

    init(_ root: YAMLNode) throws(CryptographyError) {
        guard case .mapping(let mapping) = root else { return }
        for entry in mapping.entries.prefix(Self.maximumKeys) {
            guard let name = entry.key.text else { continue }
            guard name == "session", case .mapping(let session) = entry.value else {
                try add(name, entry)
                continue
            }
            for inner in session.entries.prefix(Self.maximumKeys) {
                if let key = inner.key.text { try add("session.\(key)", inner) }
            }
        }
    }

    private mutating func add(_ name: String, _ entry: YAMLNode.Entry) throws(CryptographyError) {
        let text = Self.json(entry.value).serialized()
        digests[name] = Hexadecimal.text(try SHA256.hash(Array(text.utf8)))
        lines[name] = entry.key.line
    }

    /// The value without its place. A plain scalar may mean no value, so that it differs from a quoted one.
    private static func json(_ node: YAMLNode) -> JSONValue {
        switch node {
        case .scalar(let scalar): scalar.isNull ? .null : .string(scalar.text)
        case .sequence(let sequence): .array(sequence.elements.map(json))
        case .mapping(let mapping): .array(mapping.entries.map { .array([json($0.key), json($0.value)]) })
        }
    }

    /// What differs from an earlier state of the file, for people: `upstream (line 1), proxy (removed)`. The names come
    /// from the file, and may need to be escaped.
    func difference(from old: ConfigurationParts) -> String {
        let names = Set(digests.keys).union(old.digests.keys).sorted {
            (lines[$0] ?? .max, $0) < (lines[$1] ?? .max, $1)
        }
        let changed = names.filter { digests[$0] != old.digests[$0] }.map { name in
            guard digests[name] != nil else { return "\(name) (removed)" }
            let place = lines[name].map { "line \($0)" } ?? "no line"
            return old.digests[name] == nil ? "\(name) (new, \(place))" : "\(name) (\(place))"
        }
        return changed.isEmpty ? "no key, only comments or the layout" : changed.joined(separator: ", ")
    }
}
