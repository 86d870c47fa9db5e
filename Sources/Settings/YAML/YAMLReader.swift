/// Reads a single YAML document of plain, quoted and block scalars, lists and maps.
///
/// Expands aliases within limits: a short text can stand for more values than fit into memory.
public struct YAMLReader: ~Copyable {
    /// Why a text is not a document, and the place of the mistake.
    public struct Problem: Error, Equatable, CustomStringConvertible {
        public var message: String
        /// Counted from 1.
        public var line: Int
        /// Counted from 1, in Unicode scalars.
        public var column: Int

        init(message: String, mark: YAMLMark) {
            self.message = message
            line = mark.line
            column = mark.column
        }

        /// The text after `FILE:LINE: `.
        public var description: String { "column \(column): \(message)" }
    }

    /// The maximum depth, because recursive functions process the result. No configuration nests as deep.
    public static let maximumDepth = 64
    /// The maximum number of values, with those of each alias counted again.
    public static let maximumValues = 10_000
    /// The maximum number of octets in all texts, with those of each alias counted again, because readers examine whole
    /// values.
    public static let maximumText = 4 << 20

    private var parser: YAMLParser
    /// How many more values may be created.
    private var remaining = Self.maximumValues
    /// How many more octets they may have.
    private var remainingText = Self.maximumText
    private var anchors: [String: Composed] = [:]

    /// A value with its size.
    private struct Composed {
        var node: YAMLNode
        /// The number of values, including itself.
        var values = 1
        /// The number of octets in their texts.
        var text = 0
        /// The number of levels, including its own.
        var height = 1

        /// Counts a value within this one.
        mutating func enclose(_ inner: Composed) {
            values += inner.values
            text += inner.text
            height = max(height, inner.height + 1)
        }
    }

    /// The document; nil if it is empty.
    public static func read(_ text: String) throws(Problem) -> YAMLNode? {
        var text = text[...]
        // A byte order mark may begin the text (YAML 1.2 section 5.2), and is not part of the document.
        if text.unicodeScalars.first == byteOrderMark { text.unicodeScalars.removeFirst() }
        let end = try checkCharacters(text)
        guard let parser = YAMLParser(text.utf8, end: end) else {
            throw Problem(message: "cannot be read: there is no memory for it", mark: YAMLMark())
        }
        var reader = YAMLReader(parser: parser)
        return try reader.document()
    }

    private init(parser: consuming YAMLParser) {
        self.parser = parser
    }

    // MARK: Characters

    private static let byteOrderMark: Unicode.Scalar = "\u{FEFF}"

    /// Refuses characters that YAML forbids (YAML 1.2 section 5.1, `c-printable`), and byte order marks within the
    /// text. Returns the end of the text.
    private static func checkCharacters(_ text: Substring) throws(Problem) -> YAMLMark {
        var mark = YAMLMark()
        var former: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x09, 0x0A, 0x0D, 0x85: break
            case 0..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF:
                throw Problem(message: forbidden(scalar), mark: mark)
            case byteOrderMark.value:
                throw Problem(
                    message: "holds a byte order mark (U+FEFF) that does not begin the file: take it out, or write "
                        + "\"\\uFEFF\" in double quotes",
                    mark: mark
                )
            default: break
            }
            mark.pass(scalar, after: former)
            former = scalar
        }
        return mark
    }

    private static func forbidden(_ scalar: Unicode.Scalar) -> String {
        let shown = ControlCharacters.escape(scalar)
        guard scalar.value != 0 else {
            return "holds \(shown), a control character, which YAML forbids: save the file as UTF-8 text"
        }
        let written = scalar.value < 0x100 ? shown : "\\u" + String(scalar.value, radix: 16, uppercase: true)
        return
            "holds \(shown), a control character, which YAML forbids: take it out, or write \"\(written)\" in double "
            + "quotes"
    }

    // MARK: Values

    private mutating func document() throws(Problem) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let event = try parser.next()
            switch event.kind {
            case .streamEnd: return root
            case .between, .collectionEnd: break
            case .documentStart where root != nil:
                throw Problem(
                    message:
                        "a second document begins here: a configuration is one, so take out the line ---, or put this "
                        + "into a file of its own",
                    mark: event.start
                )
            case .documentStart(let definesTags):
                if definesTags { throw Self.tagged("%TAG", event.start) }
            case .alias, .scalar, .sequenceStart, .mappingStart:
                root = try value(event, depth: 1).node
            }
        }
    }

    /// The value that begins with `event`. Recursive, at most `maximumDepth` levels.
    private mutating func value(_ event: YAMLParser.Event, depth: Int) throws(Problem) -> Composed {
        guard depth <= Self.maximumDepth else { throw Self.tooDeep(event.start) }
        let place = YAMLNode.Place.line(event.start.line)
        switch event.kind {
        case .alias(let name): return try filledIn(name, event.start, depth: depth)
        case .scalar(let text, let isPlain, let properties):
            let size = text.utf8.count
            try count(1, size, event.start)
            let scalar = YAMLNode.scalar(.init(text: text, isPlain: isPlain, place: place))
            return try named(Composed(node: scalar, text: size), properties, event.start)
        case .sequenceStart(let properties):
            return try named(try sequence(event.start, depth: depth), properties, event.start)
        case .mappingStart(let properties):
            return try named(try mapping(event.start, depth: depth), properties, event.start)
        case .between, .documentStart, .streamEnd, .collectionEnd:
            throw Problem(message: "not valid YAML: a value is missing here: write one", mark: event.start)
        }
    }

    private mutating func sequence(_ start: YAMLMark, depth: Int) throws(Problem) -> Composed {
        try count(1, 0, start)
        var elements: [YAMLNode] = []
        var whole = Composed(node: .empty)
        while let event = try nextInside() {
            let element = try value(event, depth: depth + 1)
            whole.enclose(element)
            elements.append(element.node)
        }
        whole.node = .sequence(.init(elements: elements, place: .line(start.line)))
        return whole
    }

    private mutating func mapping(_ start: YAMLMark, depth: Int) throws(Problem) -> Composed {
        try count(1, 0, start)
        var entries: [YAMLNode.Entry] = []
        var lines: [String: Int] = [:]
        var whole = Composed(node: .empty)
        while let event = try nextInside() {
            let key = try value(event, depth: depth + 1)
            if let text = key.node.text, let former = lines.updateValue(event.start.line, forKey: text) {
                throw Problem(
                    message: "\"\(Self.shortened(text))\" is given twice: line \(former) has it too, so take one out",
                    mark: event.start
                )
            }
            let value = try value(try parser.next(), depth: depth + 1)
            whole.enclose(key)
            whole.enclose(value)
            entries.append(.init(key: key.node, value: value.node))
        }
        whole.node = .mapping(.init(entries: entries, place: .line(start.line)))
        return whole
    }

    /// The event that begins the next element or key; nil if there is none.
    private mutating func nextInside() throws(Problem) -> YAMLParser.Event? {
        let event = try parser.next()
        if case .collectionEnd = event.kind { return nil }
        return event
    }

    /// The value of an alias.
    private mutating func filledIn(_ name: String, _ mark: YAMLMark, depth: Int) throws(Problem) -> Composed {
        guard let anchored = anchors[name] else {
            throw Problem(
                message:
                    "not valid YAML: *\(Self.shortened(name)) is an alias for nothing, as no &\(Self.shortened(name)) "
                    + "has ended before it: write the value out, or put it in quotes",
                mark: mark
            )
        }
        try count(anchored.values, anchored.text, mark)
        guard depth + anchored.height - 1 <= Self.maximumDepth else { throw Self.tooDeep(mark) }
        return anchored
    }

    private mutating func named(
        _ value: Composed,
        _ properties: YAMLParser.Properties,
        _ mark: YAMLMark
    ) throws(Problem) -> Composed {
        if let tag = properties.tag { throw Self.tagged(tag, mark) }
        if let anchor = properties.anchor { anchors[anchor] = value }
        return value
    }

    private mutating func count(_ values: Int, _ text: Int, _ mark: YAMLMark) throws(Problem) {
        guard values <= remaining else {
            throw Problem(
                message:
                    "holds more than \(Self.maximumValues) values, those that aliases repeat counted each time: take "
                    + "out what is no configuration, or the aliases",
                mark: mark
            )
        }
        guard text <= remainingText else {
            throw Problem(
                message:
                    "holds more than \(Self.maximumText >> 20) MiB of text, what aliases repeat counted each time: take the "
                    + "aliases out",
                mark: mark
            )
        }
        remaining -= values
        remainingText -= text
    }

    // MARK: Mistakes

    private static func tooDeep(_ mark: YAMLMark) -> Problem {
        Problem(
            message: "is nested deeper than \(maximumDepth) levels, which no configuration is: take levels out",
            mark: mark
        )
    }

    private static func tagged(_ tag: String, _ mark: YAMLMark) -> Problem {
        let standard = "tag:yaml.org,2002:"
        let written = tag.hasPrefix(standard) ? "!!" + tag.dropFirst(standard.count) : tag
        return Problem(
            message:
                "has a tag, \(shortened(written)), and a configuration has none: take it out, or put the value in quotes",
            mark: mark
        )
    }

    /// Shortens a text that may be as long as the file.
    private static func shortened(_ text: String) -> String {
        let most = 64
        return text.unicodeScalars.count > most ? String(text.unicodeScalars.prefix(most)) + "…" : text
    }
}
