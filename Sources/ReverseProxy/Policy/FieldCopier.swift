import EventIO
import HTTP1

/// Copies the kept fields of a head, consecutive ones in one piece.
struct FieldCopier {
    /// The bytes that the head was parsed from.
    let bytes: UnsafeRawBufferPointer
    /// The range of the piece that is not copied yet; empty if there is none.
    private var piece = 0..<0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    @inline(__always)
    mutating func keep(_ field: FieldLine) {
        let start = piece.isEmpty ? Int(field.name.lowerBound) : piece.lowerBound
        piece = start..<Int(field.value.upperBound)
    }

    /// The next field is not kept, or there is none: copies the pending piece.
    @inline(__always)
    mutating func endPiece(to output: ByteBuffer) {
        guard !piece.isEmpty else { return }
        output.append(UnsafeRawBufferPointer(rebasing: bytes[piece]))
        output.append("\r\n")
        piece = 0..<0
    }
}

extension ByteBuffer {
    /// The field that announces a body, if there is one (RFC 9112 section 6).
    @inline(__always)
    func append(_ framing: MessageFraming) {
        switch framing {
        case .length(let length): appendField("Content-Length: ", length)
        case .chunked: append("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose: break
        }
    }

    /// A field with a number; `name` includes the colon and the blank.
    @inline(__always)
    func appendField(_ name: StaticString, _ number: UInt64) {
        append(name)
        append(decimal: number)
        append("\r\n")
    }

    /// A field with a text; `name` includes the colon and the blank.
    @inline(__always)
    func appendField(_ name: StaticString, _ text: String) {
        append(name)
        append(text)
        append("\r\n")
    }
}
