import Credentials
import HTTP1
import Support

/// Decides from the first bytes of a response's body whether it means "token rejected".
///
/// Parses JSON incrementally and needs it only up to the values that its rules name. Feed the decoded body. A pure
/// value; its memory is bounded for every input.
public struct BodyVerdict: Sendable {
    public enum State: Equatable, Sendable {
        case undecided
        case accepted
        case rejected
        /// The body cannot be read, so it says nothing about the token.
        case unknown
    }

    /// How many bytes of a body are examined. A body that is undecided by then is accepted: rejections are short.
    public static let maxBytes = 64 * 1024
    private static let maxDepth = 64
    /// The maximum length of a name or value; longer ones match nothing.
    private static let maxToken = 4096

    /// One value of the body, and its required contents.
    private struct Rule: Sendable {
        let path: [[UInt8]]
        /// One of these texts, or a number equal to one of `numbers`.
        let texts: [[UInt8]]
        let numbers: [DecimalNumber]
        /// How many elements of `path` the open containers match.
        var matched = 0
        /// The value is known to differ or to be missing.
        var isSettled = false

        init(_ rule: SessionConfiguration.Rejection.Body) {
            // The configuration admits no other text than a pointer.
            path = (JSONPointer.steps(of: rule.pointer) ?? []).map { Array($0.utf8) }
            texts = rule.equals.map { Array($0.utf8) }
            numbers = texts.compactMap { DecimalNumber($0) }
        }

        /// Whether a container of that kind can contain the path's element at `depth`: an array contains only indices.
        func mayLead(into container: Container, at depth: Int) -> Bool {
            switch container {
            case .object: true
            case .array:
                path[depth] == [0x30]
                    || !path[depth].isEmpty && path[depth].first != 0x30
                        && path[depth].allSatisfy(Octet.isDigit)
            }
        }

        /// `isWord`: the token is a number, `true` or `false`, not a string.
        func isMet(by token: [UInt8], isWord: Bool) -> Bool {
            if texts.contains(token) { return true }
            guard isWord, !numbers.isEmpty, let number = DecimalNumber(token) else { return false }
            return numbers.contains(number)
        }
    }

    private enum Container: Sendable {
        case object
        case array(index: Int)
    }

    private enum Expected: Sendable {
        case value, valueOrEnd, name, nameOrEnd, colon, commaOrEnd
    }

    /// The lexeme that the next byte belongs to.
    private enum Lexeme: Sendable {
        case none
        case string
        case escape
        /// The hexadecimal digits of a `\u` escape so far.
        case unicode(digits: Int, value: UInt16)
        /// A number, `true`, `false` or `null`.
        case word
    }

    public private(set) var state = State.undecided
    private var rules: [Rule]
    private var stack: [Container] = []
    private var expected = Expected.value
    private var lexeme = Lexeme.none
    private var token: [UInt8] = []
    /// The name of the member whose value comes next.
    private var name: [UInt8] = []
    private var highSurrogate: UInt16?
    private var count = 0

    /// `rules` are JSON Pointers (RFC 6901) with the values that they must point at.
    public init(_ rules: [SessionConfiguration.Rejection.Body]) {
        self.rules = rules.map(Rule.init)
        if rules.isEmpty { state = .accepted }
    }

    /// The next bytes of the body.
    public mutating func feed(_ bytes: Span<UInt8>) -> State {
        var offset = 0
        while state == .undecided, offset < bytes.count {
            guard count < Self.maxBytes else {
                state = .accepted
                break
            }
            take(bytes[offset])
            offset &+= 1
            count &+= 1
        }
        return state
    }

    /// The body is complete, or the rest is not waited for.
    public mutating func end() -> State {
        if state == .undecided, stack.isEmpty, case .word = lexeme { endWord() }
        if state == .undecided { state = .unknown }
        return state
    }

    private mutating func take(_ byte: UInt8) {
        switch lexeme {
        case .none: begin(byte)
        case .string: takeString(byte)
        case .escape: takeEscape(byte)
        case .unicode(let digits, let value): takeUnicode(byte, digits, value)
        case .word:
            guard Self.isWord(byte) else {
                endWord()
                if state == .undecided { begin(byte) }
                return
            }
            append(byte)
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."): true
        default: false
        }
    }

    private mutating func append(_ byte: UInt8) {
        if token.count <= Self.maxToken { token.append(byte) }
    }

    // MARK: Structure

    private mutating func begin(_ byte: UInt8) {
        switch (byte, expected) {
        case (0x20, _), (0x09, _), (0x0A, _), (0x0D, _):
            return
        case (0xEF, .value) where count == 0, (0xBB, .value) where count == 1, (0xBF, .value) where count == 2:
            // A byte order mark.
            return
        case (UInt8(ascii: "{"), .value), (UInt8(ascii: "{"), .valueOrEnd):
            open(.object)
            expected = .nameOrEnd
        case (UInt8(ascii: "["), .value), (UInt8(ascii: "["), .valueOrEnd):
            open(.array(index: 0))
            expected = .valueOrEnd
        case (UInt8(ascii: "\""), .value), (UInt8(ascii: "\""), .valueOrEnd), (UInt8(ascii: "\""), .name),
            (UInt8(ascii: "\""), .nameOrEnd):
            token.removeAll(keepingCapacity: true)
            highSurrogate = nil
            lexeme = .string
        case (UInt8(ascii: ":"), .colon):
            expected = .value
        case (UInt8(ascii: ","), .commaOrEnd):
            if case .array(let index) = stack.last {
                stack[stack.count - 1] = .array(index: index + 1)
                expected = .value
            } else {
                expected = .name
            }
        case (UInt8(ascii: "}"), .nameOrEnd), (UInt8(ascii: "}"), .commaOrEnd):
            guard case .object = stack.last else { return fail() }
            close()
        case (UInt8(ascii: "]"), .valueOrEnd), (UInt8(ascii: "]"), .commaOrEnd):
            guard case .array = stack.last else { return fail() }
            close()
        case (_, .value) where Self.isWord(byte), (_, .valueOrEnd) where Self.isWord(byte):
            token.removeAll(keepingCapacity: true)
            token.append(byte)
            lexeme = .word
        default:
            fail()
        }
    }

    /// The body is not JSON, or nested too deeply.
    private mutating func fail() {
        state = .unknown
    }

    private mutating func open(_ container: Container) {
        guard stack.count < Self.maxDepth else { return fail() }
        for index in rules.indices where isNamed(rules[index]) {
            if rules[index].path.count == stack.count || !rules[index].mayLead(into: container, at: stack.count) {
                rules[index].isSettled = true
            } else {
                rules[index].matched = stack.count
            }
        }
        stack.append(container)
        settle()
    }

    private mutating func close() {
        stack.removeLast()
        // Values that were expected in this container are missing.
        for index in rules.indices where rules[index].matched == stack.count { rules[index].isSettled = true }
        settle()
        expected = .commaOrEnd
    }

    private mutating func settle() {
        if state == .undecided, rules.allSatisfy(\.isSettled) { state = .accepted }
    }

    /// Whether the value that begins here is an element of the rule's path.
    private func isNamed(_ rule: Rule) -> Bool {
        guard !rule.isSettled, rule.path.count >= stack.count else { return false }
        switch stack.last {
        case nil: return true
        case .object: return rule.matched == stack.count - 1 && rule.path[stack.count - 1] == name
        case .array(let index):
            return rule.matched == stack.count - 1 && rule.path[stack.count - 1].elementsEqual(String(index).utf8)
        }
    }

    // MARK: Values

    /// A string or a word has ended: a number or a truth value.
    private mutating func endValue(isWord: Bool) {
        for index in rules.indices where isNamed(rules[index]) {
            if rules[index].path.count == stack.count, rules[index].isMet(by: token, isWord: isWord) {
                state = .rejected
                return
            }
            rules[index].isSettled = true
        }
        settle()
        expected = .commaOrEnd
    }

    private mutating func endWord() {
        lexeme = .none
        if token.elementsEqual("null".utf8) {
            // No rule can match it.
            token.append(0)
        } else {
            let isTruth = token.elementsEqual("true".utf8) || token.elementsEqual("false".utf8)
            guard isTruth || token[0] == UInt8(ascii: "-") || Octet.isDigit(token[0]) else { return fail() }
        }
        endValue(isWord: true)
    }

    private mutating func takeString(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""):
            endSurrogate()
            lexeme = .none
            switch expected {
            case .name, .nameOrEnd:
                swap(&name, &token)
                expected = .colon
            case .value, .valueOrEnd, .colon, .commaOrEnd:
                endValue(isWord: false)
            }
        case UInt8(ascii: "\\"):
            lexeme = .escape
        case 0..<0x20:
            fail()
        default:
            endSurrogate()
            append(byte)
        }
    }

    private mutating func takeEscape(_ byte: UInt8) {
        lexeme = .string
        if byte == UInt8(ascii: "u") {
            lexeme = .unicode(digits: 0, value: 0)
            return
        }
        endSurrogate()
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): append(byte)
        case UInt8(ascii: "b"): append(0x08)
        case UInt8(ascii: "f"): append(0x0C)
        case UInt8(ascii: "n"): append(0x0A)
        case UInt8(ascii: "r"): append(0x0D)
        case UInt8(ascii: "t"): append(0x09)
        default: fail()
        }
    }

    private mutating func takeUnicode(_ byte: UInt8, _ digits: Int, _ value: UInt16) {
        guard let digit = Octet.hexadecimal(byte) else { return fail() }
        let unit = value << 4 | UInt16(digit)
        guard digits == 3 else {
            lexeme = .unicode(digits: digits + 1, value: unit)
            return
        }
        lexeme = .string
        if let high = highSurrogate, UTF16.isTrailSurrogate(unit) {
            highSurrogate = nil
            append(scalar: 0x10000 + (UInt32(high & 0x3FF) << 10 | UInt32(unit & 0x3FF)))
            return
        }
        endSurrogate()
        if UTF16.isLeadSurrogate(unit) { highSurrogate = unit } else { append(scalar: UInt32(unit)) }
    }

    /// A surrogate without its other half.
    private mutating func endSurrogate() {
        guard highSurrogate != nil else { return }
        highSurrogate = nil
        append(scalar: 0xFFFD)
    }

    private mutating func append(scalar: UInt32) {
        for byte in UTF8.encode(Unicode.Scalar(scalar) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter {
            append(byte)
        }
    }
}
