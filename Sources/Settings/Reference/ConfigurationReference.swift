import ReferenceFile

/// The parsed form of `config/reference.yaml`, which is compiled in and describes every key.
///
/// Lines that are not commented out state defaults. A key is commented out by a `#` in its own column, and a map's keys
/// by one in the map's column. The comment after a key has its kind, its presence and its purpose.
public struct ConfigurationReference: Sendable {
    /// The file, for `squire init --full`.
    public static let text: String = {
        var size = 0
        let bytes = unsafe UnsafeBufferPointer(start: reference_file(&size), count: size)
        return unsafe String(decoding: bytes, as: UTF8.self)
    }()

    /// Whether a key has a value without being set.
    enum Presence: Equatable, Sendable {
        /// The file shows the default.
        case defaulted
        case required
        /// The file shows an example.
        case optional
    }

    struct Entry: Sendable {
        /// `*` stands for a name that the user chooses.
        var path: [String]
        /// YAML on one line; empty for a map.
        var value: String
        /// Whether it is not commented out.
        var isActive: Bool
        /// The alternatives.
        var kinds: [ReferenceKind]
        var presence: Presence
        var meaning: String
        var line: Int

        var name: String { path.joined(separator: ".") }
        var isMap: Bool { kinds.contains { $0 == .map || $0.element != nil } }
    }

    /// A mistake in the file, which is a bug in the program.
    struct Malformed: Error, Equatable {
        var line: Int
        var reason: String
    }

    private(set) var entries: [Entry] = []

    init(parsing text: String = text) throws(Malformed) {
        var maps: [(indentation: Int, entry: Int)] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if let more = Self.continuation(line), !entries.isEmpty {
                entries[entries.count - 1].meaning += " " + more
                continue
            }
            guard let key = Key(line) else {
                let sentence = line.drop { $0 == " " }
                guard sentence.isEmpty || sentence == "#" || sentence.hasPrefix("# ") else {
                    throw Malformed(line: number + 1, reason: "is neither a key nor a sentence")
                }
                continue
            }
            while let last = maps.last, last.indentation >= key.indentation { maps.removeLast() }
            let parent = maps.last.map { entries[$0.entry] }
            let isFree = parent?.kinds.contains { $0.element != nil } ?? false
            let path = (parent?.path ?? []) + [isFree ? "*" : key.name]
            maps.append((key.indentation, entries.count))
            entries.append(
                Entry(
                    path: path,
                    value: key.value,
                    isActive: key.isActive,
                    kinds: [],
                    presence: .defaulted,
                    meaning: key.comment,
                    line: number + 1
                )
            )
        }
        for index in entries.indices { try describe(&entries[index]) }
    }

    /// The keys of the map at `path`.
    func children(of path: [String]) -> [Entry] {
        entries.filter { $0.path.count == path.count + 1 && $0.path.starts(with: path) }
    }

    /// Parses the kind and the presence at the start of a comment.
    private func describe(_ entry: inout Entry) throws(Malformed) {
        let line = entry.line
        let fail = { (reason: String) in Malformed(line: line, reason: reason) }
        guard let end = entry.meaning.firstRange(of: ". ") else { throw fail("has a kind and no meaning") }
        var kind = entry.meaning[..<end.lowerBound]
        for (mark, presence) in [(", required", Presence.required), (", no default", .optional)]
        where kind.hasSuffix(mark) {
            kind = kind.dropLast(mark.utf8.count)
            entry.presence = presence
        }
        guard let kinds = ReferenceKind.kinds(parsing: kind) else { throw fail("\"\(kind)\" is no kind") }
        entry.kinds = kinds
        entry.meaning = String(entry.meaning[end.upperBound...])
        guard !entry.meaning.isEmpty else { throw fail("has a kind and no meaning") }
    }

    /// The text with which a comment on a line of its own continues.
    private static func continuation(_ line: Substring) -> Substring? {
        let text = line.drop { $0 == " " }
        guard line.utf8.count - text.utf8.count >= 20, text.hasPrefix("# ") else { return nil }
        return text.dropFirst(2)
    }
}

/// A line with a key: `name: value  # comment`, commented out or not.
private struct Key {
    var indentation: Int
    var name: String
    var value: String
    var comment: String
    var isActive: Bool

    init?(_ line: Substring) {
        var rest = line.drop { $0 == " " }
        indentation = line.utf8.count - rest.utf8.count
        isActive = !rest.hasPrefix("#")
        if !isActive {
            let inside = rest.dropFirst()
            rest = inside.drop { $0 == " " }
            let blanks = inside.utf8.count - rest.utf8.count
            // A single blank means that it is a sentence.
            guard blanks != 1 else { return nil }
            indentation += blanks
        }
        let name = rest.prefix { $0.isLetter || $0 == "-" }
        rest = rest.dropFirst(name.count)
        guard !name.isEmpty, rest.hasPrefix(": "), let mark = rest.firstRange(of: " # ") else { return nil }
        self.name = String(name)
        let value = rest[..<mark.lowerBound].dropFirst().drop { $0 == " " }
        self.value = String(value.reversed().drop { $0 == " " }.reversed())
        comment = String(rest[mark.upperBound...])
    }
}
