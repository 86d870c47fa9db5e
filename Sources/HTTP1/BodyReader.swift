/// Extracts a message's body from the bytes that follow its head, for every kind of framing (RFC 9112 section 6).
///
/// Call `next` with the available bytes until it wants more, and `end` when the sender has closed. The result does not
/// depend on how the bytes are split. A pure value; allocates only if a chunked body has trailers.
public struct BodyReader: Sendable {
    /// The result of `next`. All offsets refer to the bytes that it was given.
    public enum Step: Equatable, Sendable {
        /// Body bytes, never none. Use them, then call `next` again from the range's end.
        case data(ByteRange)
        /// Everything before this offset has been consumed, and the body continues.
        case needsMore(Int)
        /// The body is complete and ends at this offset. Any further bytes belong to another message.
        case finished(Int)
        /// The body is malformed. Every later call returns the same.
        case failed(HTTP1Error)
    }

    /// What the end of the stream means for the body.
    public enum End: Equatable, Sendable {
        case finished
        /// The sender closed before the body was complete.
        case incomplete
    }

    private enum State: Sendable {
        /// Bytes still to come; at least one.
        case length(UInt64)
        case chunked
        case untilClose
        case finished
        case failed(HTTP1Error)
    }

    private var state: State
    /// Decodes chunks in `.chunked`; keeps the trailers afterwards.
    private var chunks = ChunkedDecoder()

    public init(_ framing: MessageFraming) {
        switch framing {
        case .none, .length(0): state = .finished
        case .length(let length): state = .length(length)
        case .chunked: state = .chunked
        case .untilClose: state = .untilClose
        }
    }

    /// True if the body is complete: immediately for a message without one.
    @inline(__always)
    public var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    /// The number of bytes still to come, if the head announced it.
    @inline(__always)
    public var remaining: UInt64? {
        switch state {
        case .length(let remaining): remaining
        case .finished: 0
        case .chunked, .untilClose, .failed: nil
        }
    }

    /// Continues at `start`. Call again after `data`, from its upper bound.
    @inline(__always)
    public mutating func next(_ bytes: Span<UInt8>, from start: Int) -> Step {
        switch state {
        case .length(let remaining):
            let available = bytes.count &- start
            guard available > 0 else { return .needsMore(start) }
            let taken = UInt64(available) < remaining ? available : Int(remaining)
            state = UInt64(taken) == remaining ? .finished : .length(remaining &- UInt64(taken))
            return .data(ByteRange(start, start &+ taken))
        case .untilClose:
            return start < bytes.count ? .data(ByteRange(start, bytes.count)) : .needsMore(start)
        case .chunked:
            return nextChunk(bytes, from: start)
        case .finished:
            return .finished(start)
        case .failed(let error):
            return .failed(error)
        }
    }

    /// Consumes `count` of the `remaining` body bytes that the caller used without calling `next`.
    @inline(__always)
    public mutating func skip(_ count: Int) {
        guard case .length(let remaining) = state, count > 0 else { return }
        state = UInt64(count) < remaining ? .length(remaining &- UInt64(count)) : .finished
    }

    @inline(never)
    private mutating func nextChunk(_ bytes: Span<UInt8>, from start: Int) -> Step {
        switch chunks.next(bytes, from: start) {
        case .data(let range):
            return .data(range)
        case .needsMore(let offset):
            return .needsMore(offset)
        case .finished(let offset):
            state = .finished
            return .finished(offset)
        case .failed(let error):
            state = .failed(error)
            return .failed(error)
        }
    }

    /// The stream has ended. Only a body without a length may end this way.
    public mutating func end() -> End {
        switch state {
        case .untilClose:
            state = .finished
            return .finished
        case .finished:
            return .finished
        case .length, .chunked, .failed:
            return .incomplete
        }
    }

    /// The trailer lines that `filter` lets through, each with its CR LF. Empty until the body is complete, and for
    /// most bodies afterwards.
    public func forwardableTrailers(_ filter: TrailerFilter = TrailerFilter()) -> [UInt8] {
        isFinished ? chunks.forwardableTrailers(filter) : []
    }
}
