/// Finds where a JSON object or array ends while it arrives, looking at each octet once.
///
/// Only brackets and strings are looked at: what stands between them may be no JSON.
public struct JSONEnd: Sendable {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var isReached = false

    public init() {}

    /// Takes the next octets. True if the end is among them.
    public mutating func feed(_ octets: some Sequence<UInt8>) -> Bool {
        guard !isReached else { return false }
        for octet in octets where take(octet) {
            isReached = true
            return true
        }
        return false
    }

    private mutating func take(_ octet: UInt8) -> Bool {
        if isEscaped {
            isEscaped = false
            return false
        }
        switch octet {
        case UInt8(ascii: "\""): isInString.toggle()
        case UInt8(ascii: "\\"): isEscaped = isInString
        case UInt8(ascii: "{") where !isInString, UInt8(ascii: "[") where !isInString: depth += 1
        case UInt8(ascii: "}") where !isInString && depth > 0, UInt8(ascii: "]") where !isInString && depth > 0:
            depth -= 1
            return depth == 0
        default: break
        }
        return false
    }
}
