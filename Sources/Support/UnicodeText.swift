/// Converts text that was written in another encoding than UTF-8.
enum UnicodeText {
    /// Decodes UTF-16 that begins with a byte order mark. Anything else is returned as it is.
    static func utf8(_ bytes: [UInt8]) -> [UInt8] {
        let isLittleEndian: Bool
        switch (bytes.first, bytes.dropFirst().first) {
        case (0xFF, 0xFE): isLittleEndian = true
        case (0xFE, 0xFF): isLittleEndian = false
        default: return bytes
        }
        var units: [UInt16] = []
        units.reserveCapacity(bytes.count / 2)
        for index in stride(from: 2, to: bytes.count - 1, by: 2) {
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            units.append(isLittleEndian ? second << 8 | first : first << 8 | second)
        }
        return Array(String(decoding: units, as: UTF16.self).utf8)
    }
}

extension String {
    /// Replaces every `part`. Works on bytes, so that no Unicode table is loaded.
    public func replacingAll(_ part: String, with other: String) -> String {
        guard let first = part.utf8.first, utf8.contains(first) else { return self }
        var result: [UInt8] = []
        var rest = Array(utf8)[...]
        let wanted = Array(part.utf8)
        while !rest.isEmpty {
            if rest.starts(with: wanted) {
                result += Array(other.utf8)
                rest = rest.dropFirst(wanted.count)
            } else {
                result.append(rest.removeFirst())
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
