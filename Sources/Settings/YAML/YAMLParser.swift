import CLibyaml

/// Parses one text with libyaml, event by event.
///
/// *Ownership*: owns what libyaml allocates. libyaml keeps its state on the heap and does not recurse, however deep a
/// text nests.
@safe struct YAMLParser: ~Copyable {
    /// The kind of an event.
    struct Event {
        enum Kind {
            /// The text begins, or a document ends.
            case between
            case documentStart(definesTags: Bool)
            case streamEnd
            case alias(String)
            case scalar(String, isPlain: Bool, Properties)
            case sequenceStart(Properties)
            case mappingStart(Properties)
            /// The end of the innermost open sequence or map.
            case collectionEnd
        }

        var kind: Kind
        var start: YAMLMark
    }

    /// The properties before a value: anchor and tag.
    struct Properties {
        var anchor: String?
        var tag: String?
    }

    /// The C structure points into itself, so it must not move.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeMutableBufferPointer<UInt8>
    private let length: Int
    /// The end of the text: libyaml's own is on an additional line if the last line has no line break.
    private let end: YAMLMark
    /// The starts of the open sequences and maps.
    private var open: [YAMLMark] = []

    /// Begins to parse UTF-8 that ends at `end`. Nil if there is no memory.
    init?(_ utf8: some Collection<UInt8>, end: YAMLMark) {
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            unsafe parser.deallocate()
            return nil
        }
        unsafe self.parser = parser
        self.end = end
        // libyaml requires an address even for an empty text.
        unsafe text = .allocate(capacity: max(utf8.count, 1))
        length = utf8.count
        _ = unsafe text.initialize(fromContentsOf: utf8)
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, UnsafePointer(text.baseAddress), length)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe text.deallocate()
    }

    /// The next event; after the last one, always `streamEnd`.
    mutating func next() throws(YAMLReader.Problem) -> Event {
        var event = unsafe yaml_event_t()
        // libyaml leaves the event empty if it fails.
        defer { unsafe yaml_event_delete(&event) }
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw problem() }
        let start = unsafe mark(event.start_mark)
        let kind = unsafe Self.kind(event)
        switch kind {
        case .sequenceStart, .mappingStart: open.append(start)
        case .collectionEnd: _ = open.popLast()
        case .between, .documentStart, .streamEnd, .alias, .scalar: break
        }
        return Event(kind: kind, start: start)
    }

    private static func kind(_ event: yaml_event_t) -> Event.Kind {
        switch unsafe event.type {
        case YAML_DOCUMENT_START_EVENT:
            let directives = unsafe event.data.document_start.tag_directives
            return unsafe .documentStart(definesTags: directives.start != directives.end)
        case YAML_ALIAS_EVENT:
            return unsafe .alias(string(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let text = unsafe String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                as: UTF8.self
            )
            let properties = unsafe Properties(anchor: string(scalar.anchor), tag: string(scalar.tag))
            return unsafe .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE, properties)
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe event.data.sequence_start
            return unsafe .sequenceStart(Properties(anchor: string(start.anchor), tag: string(start.tag)))
        case YAML_MAPPING_START_EVENT:
            let start = unsafe event.data.mapping_start
            return unsafe .mappingStart(Properties(anchor: string(start.anchor), tag: string(start.tag)))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .collectionEnd
        case YAML_STREAM_START_EVENT, YAML_DOCUMENT_END_EVENT: return .between
        default: return .streamEnd
        }
    }

    private static func string(_ text: UnsafePointer<yaml_char_t>?) -> String? {
        unsafe text.map { unsafe String(decodingCString: $0, as: UTF8.self) }
    }

    private func mark(_ mark: yaml_mark_t) -> YAMLMark {
        let index = Int(clamping: mark.index)
        guard index < end.index else { return end }
        return YAMLMark(line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1, index: index)
    }

    private func problem() -> YAMLReader.Problem {
        let state = unsafe parser.pointee
        let complaint = unsafe YAMLComplaint(
            problem: state.problem.map { unsafe String(cString: $0) },
            context: unsafe state.context.map { unsafe String(cString: $0) } ?? "",
            mark: unsafe mark(state.problem_mark),
            contextMark: unsafe mark(state.context_mark),
            open: open.last
        )
        return unsafe complaint.problem(in: String(decoding: text.prefix(length), as: UTF8.self))
    }
}

/// A place in a text.
struct YAMLMark: Equatable, Sendable {
    /// Counted from 1.
    var line = 1
    /// Counted from 1, in Unicode scalars.
    var column = 1
    /// The number of scalars before it.
    var index = 0

    /// Advances past a scalar. Line breaks are those of YAML 1.1; CR LF counts as one.
    mutating func pass(_ scalar: Unicode.Scalar, after former: Unicode.Scalar?) {
        index += 1
        switch scalar {
        case "\n" where former == "\r": break
        case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": (line, column) = (line + 1, 1)
        default: column += 1
        }
    }
}
