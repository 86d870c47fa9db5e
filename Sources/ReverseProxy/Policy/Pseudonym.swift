import HTTP1

/// The name in Via under which a proxy forwards messages (RFC 9110 section 7.6.3): `squire-` and eight random
/// hexadecimal digits.
///
/// Each process has its own, so that a request that comes back is distinguished from one that another Squire forwarded.
public struct Pseudonym: Sendable {
    public static let ofThisProcess = Pseudonym(number: .random(in: .min ... .max))

    /// In lower case.
    public let text: [UInt8]
    /// The whole Via line for a message received as HTTP/1.0, and as HTTP/1.1.
    private let lines: (http10: [UInt8], http11: [UInt8])

    public init(number: UInt32) {
        let digits = String(number, radix: 16)
        text = Array("squire-".utf8) + Array(repeating: 0x30, count: 8 - digits.utf8.count) + Array(digits.utf8)
        let end: [UInt8] = text + [Octet.carriageReturn, Octet.lineFeed]
        lines = (Array("Via: 1.0 ".utf8) + end, Array("Via: 1.1 ".utf8) + end)
    }

    /// The Via line for a message received as HTTP/1.`minorVersion`.
    @inline(__always)
    func line(receivedAs minorVersion: Int) -> [UInt8] { minorVersion > 0 ? lines.http11 : lines.http10 }

    /// Whether an element of the Via value at `range` says that this process forwarded the message.
    func isNamed(in bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        var found = false
        bytes.listElements(range) { element in
            // received-protocol, blanks, received-by, and possibly a comment.
            var start = Int(element.lowerBound)
            let end = Int(element.upperBound)
            while start < end, !Octet.isBlank(bytes[start]) { start += 1 }
            while start < end, Octet.isBlank(bytes[start]) { start += 1 }
            var stop = start
            while stop < end, !Octet.isBlank(bytes[stop]) { stop += 1 }
            if bytes.matches(ByteRange(start, stop), text) { found = true }
        }
        return found
    }
}
