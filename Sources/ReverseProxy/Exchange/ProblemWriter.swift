public import EventIO
import HTTP1
import Platform

/// Renders a problem as `application/problem+json` (RFC 9457): the one form of the proxy and of the inspector.
///
/// ```
/// {"type":"about:blank","title":"Forbidden","status":403,"detail":"…","code":"wrong_key"}
/// ```
/// The type is `about:blank`, so the title is the status's own phrase (section 4.2.1).
public struct ProblemWriter {
    public static let contentType: StaticString = "application/problem+json"

    public let problem: Problem
    /// The length of the body in bytes.
    public let count: Int

    public init(_ problem: Problem) {
        self.problem = problem
        var count = 0
        Self.pieces(of: problem) { count += $0.count }
        self.count = count
    }

    /// Appends the body, `count` bytes.
    public func append(to output: ByteBuffer) {
        Self.pieces(of: problem) { output.append($0) }
    }

    /// The body as an array.
    public var body: [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(count)
        Self.pieces(of: problem) { body.append(contentsOf: $0) }
        return body
    }

    /// Calls `body` with each part of the body in turn.
    private static func pieces(of problem: Problem, _ body: (UnsafeRawBufferPointer) -> Void) {
        func literal(_ text: StaticString) {
            body(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
        literal(#"{"type":"about:blank","title":""#)
        literal(StatusPhrase.of(problem.status))
        literal(#"","status":"#)
        digits(of: problem.status, body)
        literal(#","detail":"#)
        string(problem.detail, body)
        literal(#","code":"#)
        string(problem.code.rawValue, body)
        literal("}\n")
    }

    /// A JSON string (RFC 8259 section 7).
    private static func string(_ text: String, _ body: (UnsafeRawBufferPointer) -> Void) {
        let quote: UInt8 = 0x22
        withUnsafeBytes(of: quote, body)
        var text = text
        text.withUTF8 { octets in
            var start = 0
            for index in octets.indices where isEscaped(octets[index]) {
                if start < index { body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: octets[start..<index]))) }
                let byte = octets[index]
                let zero: UInt8 = 0x30
                let (high, low) = (Hexadecimal.digit(byte >> 4), Hexadecimal.digit(byte & 15))
                withUnsafeBytes(of: (UInt8(0x5C), UInt8(0x75), zero, zero, high, low), body)
                start = index + 1
            }
            if start < octets.count { body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: octets[start...]))) }
        }
        withUnsafeBytes(of: quote, body)
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F
    }

    /// The three digits of a status.
    private static func digits(of status: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        func digit(_ value: Int) -> UInt8 { UInt8(0x30 + max(0, value) % 10) }
        withUnsafeBytes(of: (digit(status / 100), digit(status / 10), digit(status)), body)
    }
}
