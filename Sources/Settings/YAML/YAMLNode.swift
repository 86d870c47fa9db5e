/// A value of a YAML document, and its place.
///
/// Every scalar is text: `4.10`, `yes` and `010` are kept unchanged, and the reader of a key decides about the type.
public enum YAMLNode: Equatable, Sendable {
    case scalar(Scalar)
    case sequence(Sequence)
    case mapping(Mapping)

    public struct Scalar: Equatable, Sendable {
        public var text: String
        /// Written without quotes. A plain scalar that is empty, `~` or `null` means no value.
        public var isPlain: Bool
        public var place: Place

        /// Whether it means no value.
        var isNull: Bool { isPlain && ["", "~", "null"].contains(text) }
    }

    public struct Sequence: Equatable, Sendable {
        public var elements: [YAMLNode]
        public var place: Place
    }

    public struct Mapping: Equatable, Sendable {
        /// In the order of the document. No two keys have the same text.
        public var entries: [Entry]
        public var place: Place

        /// The last entry with that key.
        subscript(key: String) -> Entry? { entries.last { $0.key.text == key } }
    }

    public struct Entry: Equatable, Sendable {
        public var key: YAMLNode
        public var value: YAMLNode
    }

    /// The place of a value.
    public enum Place: Equatable, Sendable {
        /// In the file; lines count from 1.
        case line(Int)
        /// In the profile of that name.
        case profile(String, line: Int)
        /// No place: an empty document.
        case nowhere
    }

    /// An empty map, which nobody wrote.
    static let empty = YAMLNode.mapping(Mapping(entries: [], place: .nowhere))

    var place: Place {
        switch self {
        case .scalar(let scalar): scalar.place
        case .sequence(let sequence): sequence.place
        case .mapping(let mapping): mapping.place
        }
    }

    /// Counted from 1; nil if it is not in the file.
    var line: Int? {
        switch place {
        case .line(let line): line
        case .profile, .nowhere: nil
        }
    }

    /// The text of a scalar; nil for other nodes.
    var text: String? {
        if case .scalar(let scalar) = self { scalar.text } else { nil }
    }

    var isNull: Bool {
        if case .scalar(let scalar) = self { scalar.isNull } else { false }
    }

    /// A copy in which `place` replaces the place of each line.
    func moved(_ place: (Int) -> Place) -> YAMLNode {
        let new = line.map(place) ?? self.place
        switch self {
        case .scalar(var scalar):
            scalar.place = new
            return .scalar(scalar)
        case .sequence(let sequence):
            return .sequence(.init(elements: sequence.elements.map { $0.moved(place) }, place: new))
        case .mapping(let mapping):
            let entries = mapping.entries.map { Entry(key: $0.key.moved(place), value: $0.value.moved(place)) }
            return .mapping(.init(entries: entries, place: new))
        }
    }
}
