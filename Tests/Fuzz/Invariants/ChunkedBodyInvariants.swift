import HTTP1

/// A chunked body comes to the same bytes and the same end however it is split; nothing behind its end is touched, and nothing comes after
/// a failure.
enum ChunkedBodyInvariants {
    private struct Outcome: Equatable {
        var body: [UInt8] = []
        /// Of the bytes behind the body; nil while it is not complete.
        var end: Int?
        var error: HTTP1Error?
        var trailers: [UInt8] = []
    }

    static func check(_ bytes: [UInt8]) throws {
        var decoder = ChunkedDecoder()
        var whole = Outcome()
        decode(bytes.span, from: 0, &decoder, &whole)
        var pieces = ChunkedDecoder()
        var split = Outcome()
        var start = 0
        for end in Cuts(bytes) {
            decode(bytes.span.extracting(start..<end), from: start, &pieces, &split)
            if split.end != nil || split.error != nil { break }
            start = end
        }
        try require(whole == split, "split, the body is another")
        if whole.end != nil { try checkTrailers(whole.trailers) }
    }

    private static func decode(
        _ bytes: Span<UInt8>,
        from start: Int,
        _ decoder: inout ChunkedDecoder,
        _ outcome: inout Outcome
    ) {
        var offset = 0
        while true {
            switch decoder.next(bytes, from: offset) {
            case .needsMore(let end):
                precondition(end == bytes.count)
                return
            case .data(let range):
                for index in range.range { outcome.body.append(bytes[index]) }
                offset = Int(range.upperBound)
            case .finished(let end):
                outcome.end = start + end
                outcome.trailers = decoder.forwardableTrailers()
                return
            case .failed(let error):
                outcome.error = error
                return
            }
        }
    }

    /// As the section is sent on, it is one, and holds nothing that decides about framing, routing or the credential.
    private static func checkTrailers(_ trailers: [UInt8]) throws {
        var decoder = ChunkedDecoder()
        let body = Array("0\r\n".utf8) + trailers + [13, 10]
        guard case .finished(body.count) = decoder.next(body.span, from: 0) else {
            throw Violation("the trailers do not end where they should")
        }
        try require(decoder.forwardableTrailers() == trailers, "the trailers change when they are sent on")
    }
}
