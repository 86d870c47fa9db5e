/// Letters of ASCII as they are compared in heads and media types; other octets stay.
extension Collection<UInt8> {
    /// Whether it begins with `text`, which is in lower case.
    public func lowercasedASCIIStarts(with text: StaticString) -> Bool {
        prefix(text.utf8CodeUnitCount).map(\.lowercasedASCII).elementsEqual("\(text)".utf8)
    }
}

extension UInt8 {
    public var lowercasedASCII: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
}

extension [UInt8] {
    /// Whether `text`, which is in lower case, is somewhere in it.
    public func containsIgnoringCase(_ text: StaticString) -> Bool {
        let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        return withUnsafeBufferPointer { own in
            guard own.count >= wanted.count else { return false }
            for start in 0...(own.count - wanted.count) {
                var index = 0
                while index < wanted.count, own[start + index].lowercasedASCII == wanted[index] { index += 1 }
                if index == wanted.count { return true }
            }
            return false
        }
    }
}
