import HTTP1

/// A body comes to the same bytes and the same end however it is split, in each framing; nothing behind its end is
/// touched, and nothing comes after a failure.
enum BodyInvariants {
    private struct Outcome: Equatable {
        var body: [UInt8] = []
        /// Where the bytes behind the body begin; nil while it is not complete.
        var end: Int?
        var error: HTTP1Error?
        var trailers: [UInt8] = []
        /// What the end of the stream would mean.
        var closing = BodyReader.End.incomplete
    }

    static func check(_ bytes: [UInt8]) throws {
        let length = hash(bytes) % UInt64(bytes.count + 3)
        for framing in [MessageFraming.none, .length(length), .chunked, .untilClose] { try check(bytes, framing) }
    }

    private static func check(_ bytes: [UInt8], _ framing: MessageFraming) throws {
        var reader = BodyReader(framing)
        var whole = Outcome()
        try read(bytes.span, from: 0, &reader, &whole)
        whole.closing = reader.end()
        var pieces = BodyReader(framing)
        var split = Outcome()
        var start = 0
        for end in Cuts(bytes) {
            try read(bytes.span.extracting(start..<end), from: start, &pieces, &split)
            if split.end != nil || split.error != nil { break }
            start = end
        }
        split.closing = pieces.end()
        try require(whole == split, "split, the body is another")
        switch framing {
        case .none: try require(whole.end == 0 && whole.body.isEmpty, "there is a body where none is")
        case .length(let length):
            try require(whole.body == Array(bytes.prefix(Int(length))), "the body is not what its length says")
            try require(whole.end == (length <= bytes.count ? Int(length) : nil), "the body ends somewhere else")
        case .untilClose: try require(whole.body == bytes && whole.closing == .finished, "some of the body is missing")
        case .chunked: if whole.end != nil { try checkTrailers(whole.trailers) }
        }
    }

    private static func read(
        _ bytes: Span<UInt8>,
        from start: Int,
        _ reader: inout BodyReader,
        _ outcome: inout Outcome
    ) throws {
        var offset = 0
        while true {
            switch reader.next(bytes, from: offset) {
            case .needsMore(let end):
                try require(end == bytes.count, "bytes were left over")
                return
            case .data(let range):
                try require(!range.isEmpty && range.lowerBound >= offset, "the body goes backwards")
                for index in range.range { outcome.body.append(bytes[index]) }
                offset = Int(range.upperBound)
            case .finished(let end):
                outcome.end = start + end
                outcome.trailers = reader.forwardableTrailers()
                return
            case .failed(let error):
                outcome.error = error
                return
            }
        }
    }

    /// As the section is sent on, it is one, and holds nothing that decides about framing, routing or the credential.
    private static func checkTrailers(_ trailers: [UInt8]) throws {
        var reader = BodyReader(.chunked)
        let body = Array("0\r\n".utf8) + trailers + [13, 10]
        guard case .finished(body.count) = reader.next(body.span, from: 0) else {
            throw Violation("the trailers do not end where they should")
        }
        try require(reader.forwardableTrailers() == trailers, "the trailers change when they are sent on")
    }
}
