public import EventIO
import HTTP1

/// Takes the values of secret-looking query parameters out of a request target.
public enum Redaction {
    private static let words: [StaticString] = [
        "token", "secret", "password", "passwd", "pwd", "key", "auth", "code", "signature", "sig", "session", "jwt",
        "credential",
    ]
    /// Of what is shown, in characters (Unicode scalars).
    private static let limit = 512

    /// What may be shown of `target`, in UTF-8: nearly always those very bytes, else others in `scratch`. Good until either changes.
    ///
    /// Control characters are escaped, those beyond ASCII too: a log line stays one line, and drives no terminal.
    public static func target(
        _ target: UnsafeBufferPointer<UInt8>,
        scratch: ByteBuffer
    ) -> UnsafeBufferPointer<UInt8> {
        let query = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        if query == target.endIndex, target.count <= limit, target.span.endOfTarget(from: 0) == target.count {
            return target
        }
        scratch.clear()
        var shown = ShownText(output: scratch, room: limit)
        shown.append(target[..<query])
        var start = query
        while start < target.endIndex {
            // A parameter with the mark before it.
            let end = target[(start + 1)...].firstIndex(of: UInt8(ascii: "&")) ?? target.endIndex
            let parameter = target[start..<end]
            if let equals = parameter.firstIndex(of: UInt8(ascii: "=")),
                isSecret(parameter[..<equals]) || looksLikeToken(parameter[(equals + 1)...])
            {
                shown.append(target[start...equals])
                shown.append("…")
            } else {
                shown.append(parameter)
            }
            start = end
        }
        if shown.isCut { scratch.append("…") }
        return scratch.octets
    }

    private static func isSecret(_ name: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let name = UnsafeBufferPointer(rebasing: name)
        return words.contains { word in
            let length = word.utf8CodeUnitCount
            for start in 0..<max(0, name.count - length + 1)
            where name.span.matches(ByteRange(start, start + length), word) {
                return true
            }
            return false
        }
    }

    private static func looksLikeToken(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        value.starts(with: "eyJ".utf8) && value.count > 20
    }
}

/// Text without control characters, up to a length.
private struct ShownText {
    let output: ByteBuffer
    /// For so many more characters.
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
        } else {
            for byte in UTF8.encode(scalar)! { output.append(byte) }  // every scalar has UTF-8
        }
    }
}
