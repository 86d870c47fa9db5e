public import EventIO
import HTTP1

/// Removes secrets from a request's target, and from other octets of an exchange that people see, such as its method:
/// known values, everything with the form of a JSON Web Token, the text after `Bearer`, the values of parameters with a
/// secret-looking name, and the user and password before a host. Recognises them literally and under any number of layers
/// of percent-encoding.
public enum Redaction {
    private static let words: [StaticString] = [
        "token", "secret", "password", "passwd", "pwd", "key", "auth", "code", "signature", "sig", "session", "jwt",
        "credential",
    ]
    /// The usual maximum length of what is shown, in characters (Unicode scalars).
    public static let limit = 512
    /// How many layers of encoding are removed. Text under more layers is not shown.
    private static let maxDecodings = 6

    /// The part of `octets` that may be shown, in UTF-8, at most `limit` characters: usually the same bytes, otherwise
    /// bytes in `scratch`. Valid until either changes.
    ///
    /// Control characters are escaped, including those beyond ASCII: a log line stays one line and cannot control a
    /// terminal.
    public static func shown(
        _ octets: UnsafeBufferPointer<UInt8>,
        secrets: KnownSecrets = .none,
        limit: Int = Redaction.limit,
        scratch: ByteBuffer
    ) -> UnsafeBufferPointer<UInt8> {
        if octets.count <= limit, isHarmless(octets), !secrets.occur(in: octets) { return octets }
        scratch.clear()
        withUnsafeTemporaryAllocation(of: Bool.self, capacity: octets.count) { marks in
            marks.initialize(repeating: false)
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: octets.count) { text in
                withUnsafeTemporaryAllocation(of: Int32.self, capacity: octets.count + 1) { origins in
                    var view = DecodedText(octets, text, origins, marks)
                    view.markAll(secrets)
                }
            }
            show(octets, without: marks, limit, scratch)
        }
        return scratch.octets
    }

    /// Whether nothing in `octets` needs a closer look: they are a path of common characters without a token.
    private static func isHarmless(_ octets: UnsafeBufferPointer<UInt8>) -> Bool {
        var dots = 0
        for index in octets.indices {
            let byte = octets[index]
            switch byte {
            case UInt8(ascii: "?"), UInt8(ascii: "%"), UInt8(ascii: ";"), UInt8(ascii: "&"), UInt8(ascii: "#"),
                UInt8(ascii: "+"), UInt8(ascii: "@"):
                return false
            case UInt8(ascii: "J"):
                // `{"`, as tokens begin.
                if index >= 2, octets[index - 1] == UInt8(ascii: "y"), octets[index - 2] == UInt8(ascii: "e") {
                    return false
                }
            case UInt8(ascii: "."):
                dots += 1
                if dots > 1, octets.count > DecodedText.shortestToken { return false }
            default:
                guard Octet.isTarget(byte) else { return false }
            }
        }
        return true
    }

    private static func show(
        _ octets: UnsafeBufferPointer<UInt8>,
        without marks: UnsafeMutableBufferPointer<Bool>,
        _ limit: Int,
        _ scratch: ByteBuffer
    ) {
        var shown = ShownText(output: scratch, room: limit)
        var start = 0
        while start < octets.count {
            var end = start
            while end < octets.count, marks[end] == marks[start] { end += 1 }
            if marks[start] { shown.append("…") } else { shown.append(octets[start..<end]) }
            start = end
        }
        if shown.isCut { scratch.append("…") }
    }

    /// Octets with some layers of their encoding removed, and the origin of each octet.
    private struct DecodedText {
        /// The length of the shortest token in three parts, in bytes.
        static let shortestToken = 3 * minPart + 2
        private static let minPart = 16

        private let text: UnsafeMutableBufferPointer<UInt8>
        /// The offset of each octet in the original, and at `count` the end of the last.
        private let origins: UnsafeMutableBufferPointer<Int32>
        private let marks: UnsafeMutableBufferPointer<Bool>
        private var count: Int

        init(
            _ original: UnsafeBufferPointer<UInt8>,
            _ text: UnsafeMutableBufferPointer<UInt8>,
            _ origins: UnsafeMutableBufferPointer<Int32>,
            _ marks: UnsafeMutableBufferPointer<Bool>
        ) {
            self.text = text
            self.origins = origins
            self.marks = marks
            count = original.count
            for index in 0..<count { text.initializeElement(at: index, to: original[index]) }
            for index in 0...count { origins.initializeElement(at: index, to: Int32(index)) }
        }

        private var octets: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: text[..<count]) }

        /// Marks every secret in the original.
        mutating func markAll(_ secrets: KnownSecrets) {
            for _ in 0..<Redaction.maxDecodings {
                secrets.find(in: octets) { mark($0) }
                markTokens()
                markParameters()
                markSchemes()
                markUsers()
                guard decode() else { return }
            }
            // Nobody encodes text so often without something to hide.
            if let first = (0..<count).first(where: { text[$0] == UInt8(ascii: "%") || !isWritten($0) }) {
                mark(first..<count)
            }
        }

        private func mark(_ range: Range<Int>) {
            guard !range.isEmpty else { return }
            for index in Int(origins[range.lowerBound])..<Int(origins[range.upperBound]) { marks[index] = true }
        }

        /// Whether the octet occurs literally in the original.
        private func isWritten(_ index: Int) -> Bool { origins[index + 1] - origins[index] == 1 }

        /// Removes one layer of percent-encoding; false if there is none.
        private mutating func decode() -> Bool {
            var written = 0
            var index = 0
            while index < count {
                let origin = origins[index]
                if text[index] == UInt8(ascii: "%"), index + 2 < count, let high = Octet.hexadecimal(text[index + 1]),
                    let low = Octet.hexadecimal(text[index + 2])
                {
                    text[written] = UInt8(high << 4 | low)
                    index += 3
                } else {
                    text[written] = text[index]
                    index += 1
                }
                origins[written] = origin
                written += 1
            }
            origins[written] = origins[count]
            defer { count = written }
            return written < count
        }

        // MARK: By shape

        /// Marks JSON Web Tokens (RFC 7519) and everything of their form: three long parts of base64url.
        private func markTokens() {
            var start = 0
            while start < count {
                guard Self.isTokenOctet(text[start]) else {
                    start += 1
                    continue
                }
                var end = start
                while end < count, Self.isTokenOctet(text[end]) { end += 1 }
                if let first = tokenStart(start..<end) { mark(first..<end) }
                start = end
            }
        }

        private static func isTokenOctet(_ byte: UInt8) -> Bool {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
            default: false
            }
        }

        private func tokenStart(_ run: Range<Int>) -> Int? {
            guard run.count > 20 else { return nil }
            for index in run.lowerBound..<(run.upperBound - 20)
            where text[index] == UInt8(ascii: "e") && text[index + 1] == UInt8(ascii: "y")
                && text[index + 2] == UInt8(ascii: "J")
            {
                return index
            }
            var parts = 0
            var length = 0
            for index in run {
                if text[index] == UInt8(ascii: ".") {
                    parts = length >= Self.minPart ? parts + 1 : 0
                    length = 0
                } else {
                    length += 1
                }
                if parts >= 2, length >= Self.minPart { return run.lowerBound }
            }
            return nil
        }

        // MARK: By name

        /// Marks the values of parameters whose names look secret. A value extends to the next `&` of the original
        /// itself, or in its path to the next slash, whatever is encoded inside.
        private func markParameters() {
            // The possible start of a name; nil in the path, except after a semicolon.
            var name: Int?
            var isQuery = false
            var index = 0
            while index < count {
                switch text[index] {
                case UInt8(ascii: "?"), UInt8(ascii: "&"), UInt8(ascii: "#"):
                    isQuery = true
                    name = index + 1
                case UInt8(ascii: ";"):
                    name = index + 1
                case UInt8(ascii: "/") where !isQuery:
                    name = nil
                case UInt8(ascii: "="), UInt8(ascii: ":"):
                    guard let start = name else { break }
                    if isSecret(start..<index) {
                        let end = endOfValue(from: index + 1, isQuery: isQuery)
                        mark((index + 1)..<end)
                        index = end
                        continue
                    }
                    // A value may itself be a parameter, encoded once more.
                    name = index + 1
                default: break
                }
                index += 1
            }
        }

        private func endOfValue(from start: Int, isQuery: Bool) -> Int {
            let stop = isQuery ? UInt8(ascii: "&") : UInt8(ascii: "/")
            return (start..<count).first { isWritten($0) && (text[$0] == stop || !isQuery && text[$0] == 0x3F) }
                ?? count
        }

        private func isSecret(_ name: Range<Int>) -> Bool {
            let span = octets.span
            for word in Redaction.words {
                let length = word.utf8CodeUnitCount
                guard name.count >= length else { continue }
                for start in name.lowerBound...(name.upperBound - length)
                where span.matches(ByteRange(start, start + length), word) {
                    return true
                }
            }
            return false
        }

        /// Marks user and password before a host (RFC 3986 section 3.2.1): after two slashes, and at the beginning of
        /// what is not a path.
        private func markUsers() {
            var start: Int? = count > 0 && text[0] != UInt8(ascii: "/") ? 0 : nil
            for index in 0..<count {
                switch text[index] {
                case UInt8(ascii: "/") where index > 0 && text[index - 1] == UInt8(ascii: "/"): start = index + 1
                case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "&"): start = nil
                // The last one counts: some parsers take earlier ones as part of the password.
                case UInt8(ascii: "@"): if let start { mark(start..<index) }
                default: break
                }
            }
        }

        /// Marks the text after the name of an authentication scheme and a blank.
        private func markSchemes() {
            let span = octets.span
            for index in 0..<count where text[index] | 0x20 == UInt8(ascii: "b") {
                for scheme in ["bearer", "basic"] as [StaticString] {
                    let end = index + scheme.utf8CodeUnitCount
                    guard end < count, span.matches(ByteRange(index, end), scheme),
                        Octet.isBlank(text[end]) || text[end] == UInt8(ascii: "+")
                    else { continue }
                    let stop = (end..<count).first { isWritten($0) && (text[$0] == 0x26 || text[$0] == 0x3F) } ?? count
                    mark((end + 1)..<max(stop, end + 1))
                }
            }
        }
    }
}

/// Text without control characters, up to a maximum length.
private struct ShownText {
    let output: ByteBuffer
    /// The number of further characters that fit.
    var room: Int
    private(set) var isCut = false

    mutating func append(_ text: Slice<UnsafeBufferPointer<UInt8>>) {
        let octets = UnsafeBufferPointer(rebasing: text)
        if octets.count <= room, octets.span.endOfTarget(from: 0) == octets.count {
            room -= octets.count
            return output.append(UnsafeRawBufferPointer(octets))
        }
        var decoder = Unicode.UTF8()
        var bytes = text.makeIterator()
        while true {
            switch decoder.decode(&bytes) {
            case .scalarValue(let scalar): append(scalar)
            case .error: append("\u{FFFD}")
            case .emptyInput: return
            }
        }
    }

    mutating func append(_ scalar: Unicode.Scalar) {
        guard room > 0 else {
            isCut = true
            return
        }
        room -= 1
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
            output.append("\\x")
            output.append(hexadecimal: Int(scalar.value))
        } else if Self.turnsText(scalar) {
            output.append("\\u{")
            output.append(hexadecimal: Int(scalar.value))
            output.append("}")
        } else {
            for byte in UTF8.encode(scalar)! { output.append(byte) }  // every scalar has UTF-8
        }
    }

    /// Line separators, and marks that change the writing direction and could disguise a line.
    private static func turnsText(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x2028, 0x2029, 0x200E, 0x200F, 0x061C, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
