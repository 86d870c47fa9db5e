import HTTP1
import Testing

/// Everything a `BodyReader` says about one stream of bytes.
private struct Reading: Equatable {
    var body: [UInt8] = []
    /// Where the body ended in the whole stream; nil if it did not.
    var end: Int?
    var error: HTTP1Error?
    var trailers: [UInt8] = []

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// Reads `bytes`, which arrive in pieces that end at `cuts`.
private func read(_ framing: MessageFraming, _ bytes: [UInt8], cuts: [Int]) -> Reading {
    var reader = BodyReader(framing)
    var result = Reading()
    var start = 0
    for end in cuts + [bytes.count] {
        let piece = Array(bytes[start..<end])
        var offset = 0
        reading: while true {
            switch reader.next(piece.span, from: offset) {
            case .data(let range):
                #expect(!range.isEmpty && Int(range.lowerBound) >= offset)
                result.body += piece[range.range]
                offset = Int(range.upperBound)
            case .needsMore(let used):
                #expect(used == piece.count)
                break reading
            case .finished(let used):
                #expect(reader.isFinished)
                result.end = start + used
                result.trailers = reader.forwardableTrailers()
                return result
            case .failed(let error):
                result.error = error
                return result
            }
        }
        start = end
    }
    return result
}

private func read(_ framing: MessageFraming, _ text: String) -> Reading { read(framing, Array(text.utf8), cuts: []) }

/// One call of `next`, as an expectation can hold it.
private func step(_ reader: inout BodyReader, _ bytes: [UInt8], from start: Int = 0) -> BodyReader.Step {
    reader.next(bytes.span, from: start)
}

@Suite struct BodyReaderTests {
    private static let chunks = "5\r\nhello\r\n1;a=\"b\"\r\n \r\n5\r\nworld\r\n0\r\nX-A: 1\r\n\r\nnext"

    @Test func aLengthEndsWithItsLastByte() {
        let reading = read(.length(5), "hello world")
        #expect(reading.text == "hello" && reading.end == 5)
        #expect(read(.length(6), "hello").end == nil)
    }

    @Test func chunksAreTakenApartAndTrailersKept() {
        let reading = read(.chunked, Self.chunks)
        #expect(reading.text == "hello world")
        #expect(reading.end == Self.chunks.utf8.count - 4)
        #expect(String(decoding: reading.trailers, as: UTF8.self) == "X-A: 1\r\n")
    }

    @Test func aBodyUntilCloseIsEverything() {
        let reading = read(.untilClose, "0\r\n\r\n")
        #expect(reading.text == "0\r\n\r\n" && reading.end == nil)
    }

    @Test(arguments: [MessageFraming.none, .length(0)]) func noBodyIsFinishedAtOnce(_ framing: MessageFraming) {
        var reader = BodyReader(framing)
        #expect(reader.isFinished && reader.remaining == 0)
        #expect(step(&reader, [1, 2, 3], from: 1) == .finished(1))
        #expect(reader.end() == .finished)
        #expect(reader.forwardableTrailers().isEmpty)
    }

    @Test func anySplitGivesTheSameBody() {
        let cases: [(MessageFraming, String)] = [
            (.none, "next"), (.length(7), "1234567next"), (.length(40), "too little"), (.untilClose, "all of it"),
            (.chunked, Self.chunks), (.chunked, "5\r\nhello\r\n0\r\nX : 1\r\n\r\n"), (.chunked, "5\r\nhelloworld"),
            (.chunked, "0\r\n\r\nGET / HTTP/1.1\r\n"), (.chunked, "A\r\n012"),
        ]
        for (framing, text) in cases {
            let bytes = Array(text.utf8)
            let whole = read(framing, bytes, cuts: [])
            for first in 0...bytes.count {
                for second in first...bytes.count {
                    #expect(read(framing, bytes, cuts: [first, second]) == whole, "\(framing) at \(first), \(second)")
                }
            }
            #expect(read(framing, bytes, cuts: Array(0..<bytes.count)) == whole, "\(framing) byte by byte")
        }
    }

    @Test func aLengthCountsDown() {
        var reader = BodyReader(.length(1 << 40))
        #expect(step(&reader, [0, 0, 0]) == .data(ByteRange(0, 3)))
        #expect(reader.remaining == 1 << 40 - 3)
        #expect(step(&reader, [0, 0, 0], from: 3) == .needsMore(3))
        #expect(step(&reader, []) == .needsMore(0))
        var longest = BodyReader(.length(.max))
        #expect(step(&longest, [0]) == .data(ByteRange(0, 1)))
        #expect(longest.remaining == UInt64.max - 1)
    }

    @Test(
        arguments: [
            (.length(2), BodyReader.End.incomplete), (.chunked, .incomplete), (.untilClose, .finished),
            (.none, .finished),
        ] as [(MessageFraming, BodyReader.End)]
    )
    func onlyABodyWithoutLengthMayEndWithTheStream(_ framing: MessageFraming, _ expected: BodyReader.End) {
        var reader = BodyReader(framing)
        if framing != .none { _ = step(&reader, Array("1".utf8)) }
        #expect(reader.end() == expected)
        #expect(reader.isFinished == (expected == .finished))
    }

    @Test func chunksWithoutTheirEmptyLineAreIncomplete() {
        for text in ["", "5", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\nX: 1\r\n"] {
            var reader = BodyReader(.chunked)
            let bytes = Array(text.utf8)
            var offset = 0
            while case .data(let range) = step(&reader, bytes, from: offset) { offset = Int(range.upperBound) }
            #expect(reader.end() == .incomplete)
            #expect(reader.forwardableTrailers().isEmpty)
        }
    }

    @Test func aFailureStays() {
        var reader = BodyReader(.chunked)
        let error = HTTP1Error.malformed("a chunk size is not valid")
        #expect(step(&reader, Array("x".utf8)) == .failed(error))
        #expect(step(&reader, Array("0\r\n\r\n".utf8)) == .failed(error))
        #expect(reader.end() == .incomplete)
    }
}
