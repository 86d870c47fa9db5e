/// A JSON value (RFC 8259) that is read and written without loss: numbers keep their spelling, and objects their order.
///
/// Not Foundation's: the session file must keep unknown members exactly, and Foundation costs 20 MiB.
public enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A number as it was spelled.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    public struct Member: Equatable, Sendable {
        public var name: String
        public var value: JSONValue

        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Nil if `bytes` are not one JSON text or nest deeper than 64. Ignores a byte order mark (RFC 8259 section 8.1).
    public init?(parsing bytes: some Collection<UInt8>) {
        var parser = JSONParser(Array(bytes), isLenient: false)
        guard let value = parser.document() else { return nil }
        self = value
    }

    /// Reads a response of which one member is wanted: a fault elsewhere must not cost that member.
    ///
    /// Tolerates UTF-16 with a byte order mark, invalid UTF-8, half surrogate pairs, unknown escapes, control
    /// characters in strings, misspelt numbers and words, surplus commas, nesting deeper than 64 (read as null) and
    /// anything after the value. Nil if there is no object or array, or if it does not end, which means that the
    /// response was cut.
    public init?(lenient bytes: some Collection<UInt8>) {
        var parser = JSONParser(UnicodeText.utf8(Array(bytes)), isLenient: true)
        guard let value = parser.lenientDocument() else { return nil }
        self = value
    }

    /// The smallest value in which `value(at:)` finds the given ones at their JSON Pointers: objects, also where a step is
    /// a number, or for the pointer `""` the value itself. Omits one that would be deeper than a parser reads, or whose
    /// place an earlier one occupies.
    public init(_ values: [(pointer: String, value: JSONValue)]) {
        self = .object([])
        for (pointer, value) in values {
            guard let steps = JSONPointer.steps(of: pointer), steps.count < JSONParser.maximumDepth else { continue }
            put(value, at: steps[...])
        }
    }

    private mutating func put(_ value: JSONValue, at steps: ArraySlice<String>) {
        guard let step = steps.first else {
            if self == .object([]) { self = value }
            return
        }
        guard case .object = self else { return }
        var next = self[step] ?? .object([])
        next.put(value, at: steps.dropFirst())
        self[step] = next
    }

    public subscript(name: String) -> JSONValue? {
        get {
            guard case .object(let members) = self else { return nil }
            return members.lastIndex { $0.name == name }.map { members[$0].value }
        }
        set {
            guard case .object(var members) = self else { return }
            // The only owner of an array changes it without a copy.
            self = .null
            if let index = members.lastIndex(where: { $0.name == name }) {
                if let newValue { members[index].value = newValue } else { members.remove(at: index) }
            } else if let newValue {
                members.append(Member(name, newValue))
            }
            self = .object(members)
        }
    }

    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    public var integer: Int? {
        guard case .number(let text) = self else { return nil }
        if let whole = Int(text) { return whole }
        guard let number = Double(text), number.magnitude < 1e15 else { return nil }
        return Int(number)
    }

    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    public static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

    /// The value at a JSON Pointer (RFC 6901); nil if there is none.
    public func value(at pointer: String) -> JSONValue? {
        guard let steps = JSONPointer.steps(of: pointer) else { return nil }
        var current = self
        for name in steps {
            switch current {
            case .object:
                guard let next = current[name] else { return nil }
                current = next
            case .array(let elements):
                guard let index = Int(name), elements.indices.contains(index) else { return nil }
                current = elements[index]
            default:
                return nil
            }
        }
        return current
    }
}
