/// Reads field lines up to the empty line that ends them (RFC 9112 section 5). Strict: CRLF only, no obs-fold, no blank
/// before the colon, no control characters.
enum FieldSection {
    enum Progress {
        case incomplete
        /// The offset behind the empty line.
        case complete(Int)
        case failed(HTTP1Error)
    }

    static func read(
        _ bytes: Span<UInt8>,
        from start: Int,
        limit: Int,
        into fields: inout [FieldLine]
    ) -> Progress {
        var offset = start
        while true {
            var progress: Progress?
            let room = limit &- fields.count
            fields.append(addingCapacity: 32) { progress = read(bytes, from: &offset, room: room, into: &$0) }
            if let progress { return progress }
        }
    }

    /// Reads as many lines as `fields` has place for; nil if it is full. `room`: more lines than that are too many.
    @inline(__always)
    private static func read(
        _ bytes: Span<UInt8>,
        from start: inout Int,
        room: Int,
        into fields: inout OutputSpan<FieldLine>
    ) -> Progress? {
        let count = bytes.count
        var offset = start
        while !fields.isFull {
            guard offset < count else { return .incomplete }
            if bytes[offset] == Octet.carriageReturn {
                guard offset &+ 1 < count else { return .incomplete }
                guard bytes[offset &+ 1] == Octet.lineFeed else {
                    return .failed(.malformed("a carriage return stands alone"))
                }
                return .complete(offset &+ 2)
            }
            // The name.
            let nameStart = offset
            let hasOddName: Bool
            (offset, hasOddName) = bytes.endOfName(from: offset)
            guard offset < count else { return .incomplete }
            guard bytes[offset] == Octet.colon, offset > nameStart else {
                return .failed(badName(bytes[offset], isFirst: offset == nameStart))
            }
            let name = ByteRange(nameStart, offset)
            offset &+= 1
            // The value: to the end of the line.
            while offset < count, Octet.isBlank(bytes[offset]) { offset &+= 1 }
            let valueStart = offset
            offset = bytes.endOfFieldContent(from: offset)
            guard offset < count else { return .incomplete }
            guard bytes[offset] == Octet.carriageReturn else {
                return .failed(.malformed("a field value holds a control character, or its line does not end in CR LF"))
            }
            guard offset &+ 1 < count else { return .incomplete }
            guard bytes[offset &+ 1] == Octet.lineFeed else {
                return .failed(.malformed("a carriage return stands alone"))
            }
            var valueEnd = offset
            while valueEnd > valueStart, Octet.isBlank(bytes[valueEnd &- 1]) { valueEnd &-= 1 }
            guard fields.count < room else { return .failed(.tooManyFields) }
            fields.append(
                FieldLine(
                    name: name,
                    value: ByteRange(valueStart, valueEnd),
                    id: FieldName.of(bytes, name),
                    hasOddName: hasOddName
                )
            )
            offset &+= 2
        }
        start = offset
        return nil
    }

    private static func badName(_ byte: UInt8, isFirst: Bool) -> HTTP1Error {
        if isFirst, Octet.isBlank(byte) { return .malformed("a field line is folded") }
        if isFirst, byte == Octet.colon { return .malformed("a field has no name") }
        if Octet.isBlank(byte) { return .malformed("a blank stands between a field name and its colon") }
        if byte == Octet.lineFeed || byte == Octet.carriageReturn {
            return .malformed("a line has no colon, or does not end in CR LF")
        }
        return .malformed("a field name holds a character that is not allowed")
    }
}

/// How the end of a message's body is found (RFC 9112 section 6).
public enum MessageFraming: Equatable, Sendable {
    case none
    case length(UInt64)
    case chunked
    /// Responses only: the body ends with the connection.
    case untilClose
}

/// The fields' effect on framing and on the connection. Collected in one pass.
struct FramingFields {
    var contentLength: UInt64?
    var isChunked = false
    var hasTransferEncoding = false
    var closes = false
    var keepsAlive = false
    var upgrades = false
    /// The known names that occur.
    var names = FieldNames()
    private var hasNominations = false

    /// Reads every field that matters, and marks nominated ones. Nil if all are valid.
    mutating func read(
        _ bytes: Span<UInt8>,
        _ fields: inout [FieldLine],
        mayRepeatLength: Bool
    ) -> HTTP1Error? {
        for field in fields {
            names.insert(field.id)
            switch field.id {
            case .contentLength:
                guard let length = Self.length(bytes, field.value, mayRepeat: mayRepeatLength) else {
                    return .malformed("Content-Length is not a number")
                }
                if let known = contentLength, !mayRepeatLength || known != length {
                    return .malformed("Content-Length is given twice")
                }
                contentLength = length
            case .transferEncoding:
                guard !hasTransferEncoding, bytes.matches(field.value, "chunked") else {
                    return .malformed("a transfer coding other than one \"chunked\" is not understood")
                }
                hasTransferEncoding = true
                isChunked = true
            case .connection:
                // Mostly a single option.
                if bytes.matches(field.value, "keep-alive") {
                    keepsAlive = true
                } else {
                    readOptions(bytes, field.value)
                }
            default:
                break
            }
        }
        if hasNominations { nominate(bytes, &fields) }
        return nil
    }

    /// The options of a `Connection` field (RFC 9110 section 7.6.1).
    private mutating func readOptions(_ bytes: Span<UInt8>, _ range: ByteRange) {
        bytes.listElements(range) { element in
            if bytes.matches(element, "close") {
                closes = true
            } else if bytes.matches(element, "keep-alive") {
                keepsAlive = true
            } else if bytes.matches(element, "upgrade") {
                upgrades = true
            } else {
                hasNominations = true
            }
        }
    }

    /// Marks the fields that `Connection` names. Those with `FieldTraits.unremovable` cannot be removed that way: a
    /// client could otherwise strip what was added for it (hop-by-hop abuse).
    private func nominate(_ bytes: Span<UInt8>, _ fields: inout [FieldLine]) {
        for connection in fields where connection.id == .connection {
            bytes.listElements(connection.value) { element in
                for index in fields.indices where fields[index].name.count == element.count {
                    guard !FieldTable.unremovable.contains(fields[index].id) else { continue }
                    if bytes.equalIgnoringCase(fields[index].name, element) { fields[index].isNominated = true }
                }
            }
        }
    }

    /// Digits only (RFC 9110 section 8.6), no sign, no blank inside. In responses a list of equal numbers counts as
    /// one.
    private static func length(_ bytes: Span<UInt8>, _ range: ByteRange, mayRepeat: Bool) -> UInt64? {
        if let number = number(bytes, range) { return number }
        guard mayRepeat else { return nil }
        var result: UInt64?
        var isValid = true
        bytes.listElements(range) { element in
            guard let value = number(bytes, element), result == nil || result == value else {
                isValid = false
                return
            }
            result = value
        }
        return isValid ? result : nil
    }

    /// A number of at most `Int64.max`; nil if the text is not a number, or is too large.
    @inline(__always)
    static func number(_ bytes: Span<UInt8>, _ range: ByteRange) -> UInt64? {
        guard range.count > 0, range.count <= 19 else { return nil }
        var value: UInt64 = 0
        for offset in range.range {
            guard Octet.isDigit(bytes[offset]) else { return nil }
            // 19 digits do not overflow 64 bits.
            value = value &* 10 &+ UInt64(bytes[offset] &- 0x30)
        }
        return value <= UInt64(Int64.max) ? value : nil
    }
}

extension Span where Element == UInt8 {
    func equalIgnoringCase(_ left: ByteRange, _ right: ByteRange) -> Bool {
        guard left.count == right.count else { return false }
        for index in 0..<left.count
        where Octet.lowercase(self[Int(left.lowerBound) + index])
            != Octet.lowercase(self[Int(right.lowerBound) + index])
        {
            return false
        }
        return true
    }
}
