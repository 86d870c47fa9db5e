import HTTP1
import Testing

/// Decodes `text`, offered in pieces of `size` bytes.
private func decode(_ text: String, pieces size: Int) -> (body: String, rest: Int, trailers: String)? {
    let bytes = Array(text.utf8)
    var decoder = ChunkedDecoder()
    var body: [UInt8] = []
    var start = 0
    while start < bytes.count {
        let piece = Array(bytes[start..<min(start + size, bytes.count)])
        var offset = 0
        reading: while true {
            switch decoder.next(piece.span, from: offset) {
            case .data(let range):
                body += piece[range.range]
                offset = Int(range.upperBound)
            case .needsMore(let end):
                #expect(end == piece.count)
                break reading
            case .finished(let end):
                let trailers = String(decoding: decoder.forwardableTrailers(), as: UTF8.self)
                return (String(decoding: body, as: UTF8.self), bytes.count - start - end, trailers)
            case .failed:
                return nil
            }
        }
        start += size
    }
    return nil
}

@Suite struct ChunkedDecoderTests {
    @Test(arguments: 1...40) func anySplitGivesTheSameBody(_ size: Int) {
        let text =
            "5\r\nhello\r\n1;name=\"value\"\r\n \r\n00A ;x\r\n0123456789\r\n0\r\nX-A: 1\r\nContent-Length: 5\r\nHost: x\r\n\r\nnext"
        let result = decode(text, pieces: size)
        #expect(result?.body == "hello 0123456789")
        #expect(result?.trailers == "X-A: 1\r\n")
        if size > text.utf8.count { #expect(result?.rest == 4) }
    }

    @Test func lastChunkAloneIsAnEmptyBody() {
        #expect(decode("0\r\n\r\n", pieces: 99)?.body == "")
    }

    @Test(arguments: [
        "\r\n", "g\r\n", "-1\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n", "1000000000000000\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", "5 \u{1}\r\nhello\r\n0\r\n\r\n", "0\r\nX : 1\r\n\r\n",
        "0\r\n\n",
    ])
    func malformedChunksFailHoweverTheyAreSplit(_ text: String) {
        #expect(decode(text, pieces: 99) == nil)
        #expect(decode(text, pieces: 1) == nil)
    }
}
