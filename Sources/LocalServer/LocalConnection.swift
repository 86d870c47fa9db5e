import EventIO
import HTTP1

/// One client of a `LocalServer`. Requests are served one at a time.
///
/// This file reads; `+Writing` answers. *Ownership*: owns its descriptor. *Threading*: belongs to its loop.
final class LocalConnection: DescriptorWatchDelegate {
    unowned let server: LocalServer
    let descriptor: Int32
    private(set) lazy var watch = DescriptorWatch(loop: server.loop, descriptor: descriptor, delegate: self)
    private lazy var timer = EventTimer(loop: server.loop) { [unowned self] in periodPassed() }
    let input = ByteBuffer(capacity: 16 * 1024)
    let output = ByteBuffer(capacity: 16 * 1024)
    private var parser = RequestParser(limits: HeadLimits())
    var state = State.awaitingHead
    var reading = Reading.open
    /// Bytes that the peer sent or accepted in the current period, whichever is its turn.
    var moved = 0
    /// When the connection began to wait for its client's next request, on the server's counter.
    private(set) var idleSince = 0

    /// The state of the connection. Every response names the request that it answers by number.
    enum State {
        /// Between requests, or within a head. → `receiving`, `sending` (a bad head), `closed`
        case awaitingHead
        /// The head is complete and the body is arriving. → `serving`, `sending` (a bad body), `closed`
        case receiving(Incoming)
        /// The handler has the whole request and has not answered. → `streaming`, `sending`, `closed`
        case serving(Request)
        /// The handler is writing a response in parts. → `sending`, `closed`
        case streaming(Request, Stream)
        /// The response is complete, except for the contents of `output` and that many bytes of the pattern. →
        /// `awaitingHead`, `lingering`, `closed`
        case sending(pattern: Int, isLast: Bool)
        /// Everything is sent. Up to `budget` further bytes are discarded, so that they do not reset the connection. →
        /// `closed`
        case lingering(budget: Int)
        case closed
    }

    enum Reading { case open, paused, ended }

    /// The properties of a request that its response depends on.
    struct Request {
        let number: Int
        let isHead: Bool
        let isOld: Bool
        /// The connection ends after the response.
        let isLast: Bool

        var last: Request { Request(number: number, isHead: isHead, isOld: isOld, isLast: true) }
    }

    /// A response of unknown length.
    final class Stream {
        let framing: Framing
        /// Called when there is room again.
        var drained: (() -> Void)?
        /// Set for a response that lasts as long as its client stays: called when the client has gone.
        let gone: (() -> Void)?

        init(_ framing: Framing, gone: (() -> Void)? = nil) {
            self.framing = framing
            self.gone = gone
        }

        enum Framing {
            case chunked
            /// For a client that does not know chunks: until the connection ends.
            case untilClose
        }
    }

    /// A request whose body is arriving.
    ///
    /// *Memory*: holds a function that takes bytes, not bytes; the caller's stay valid during the call.
    @safe final class Incoming {
        var request: LocalRequest
        var body: BodyReader
        let about: Request
        /// Receives the body in parts; nil collects it in `request`.
        let consumer: ((UnsafeRawBufferPointer) -> Void)?

        init(
            _ request: LocalRequest,
            _ body: BodyReader,
            _ about: Request,
            consumer: ((UnsafeRawBufferPointer) -> Void)?
        ) {
            self.request = request
            self.body = body
            self.about = about
            unsafe self.consumer = consumer
        }
    }

    /// How far pipelined requests are read ahead, and how much of a pattern is generated ahead.
    static let window = 256 * 1024
    /// What a peer must send or accept in a period. A slower one could keep the connection for ever.
    private static let leastProgress = 1024

    init(server: LocalServer, descriptor: Int32) {
        self.server = server
        self.descriptor = descriptor
    }

    func start() {
        watch.setReading(true)
        enter(.awaitingHead)
    }

    /// A request was read and its response is not written yet. Otherwise the client has sent nothing, or not enough.
    var isBusy: Bool {
        switch state {
        case .serving, .streaming, .sending: true
        case .awaitingHead, .receiving, .lingering, .closed: false
        }
    }

    func enter(_ next: State) {
        state = next
        moved = 0
        if case .awaitingHead = next { idleSince = server.tick() }
        switch next {
        case .closed: timer.cancel()
        case .lingering: timer.arm(after: min(server.period, .seconds(1)))
        case .awaitingHead, .receiving, .serving, .streaming, .sending: timer.arm(after: server.period)
        }
    }

    /// A handler may take its time, but a client may not: neither with a head, nor with bytes that it has to send or
    /// accept.
    private func periodPassed() {
        switch state {
        case .closed:
            return
        case .awaitingHead, .lingering:
            return close()
        case .receiving where moved < Self.leastProgress:
            return close()
        case .streaming(_, let stream) where stream.gone != nil:
            break
        case .serving, .streaming, .sending, .receiving:
            if !output.isEmpty, moved < Self.leastProgress { return close() }
        }
        moved = 0
        timer.arm(after: server.period)
    }

    func close() {
        if case .closed = state { return }
        // A writer that waits for room learns that there will be none.
        if case .streaming(_, let stream) = state {
            if let drained = stream.drained { server.soon(drained) }
            if let gone = stream.gone { server.soon(gone) }
        }
        enter(.closed)
        watch.close()
        SocketIO.close(descriptor)
        server.connectionClosed(self)
    }

    // MARK: Reading

    func descriptorIsReadable(_ watch: DescriptorWatch) {
        switch unsafe SocketIO.read(descriptor, into: input.writable(minimum: 16 * 1024)) {
        case .moved(let count):
            input.commit(count)
            if case .receiving = state { moved += count }
        case .wouldBlock:
            return
        case .endOfStream:
            if case .streaming(_, let stream) = state, stream.gone != nil { return close() }
            // A client that has sent everything may still wait for its responses.
            reading = .ended
            watch.setReading(false)
        case .failed:
            return close()
        }
        process()
    }

    /// Processes what was read, as far as possible.
    func process() {
        while true {
            switch state {
            case .awaitingHead:
                guard !input.isEmpty, parseHead() else { return inputIsMissing() }
            case .receiving(let incoming):
                guard receive(incoming) else { return inputIsMissing() }
            case .serving, .streaming, .sending:
                if input.count > Self.window, reading == .open {
                    reading = .paused
                    watch.setReading(false)
                }
                return
            case .lingering(let budget):
                guard reading != .ended, input.count < budget else { return close() }
                state = .lingering(budget: budget - input.count)
                return input.clear()
            case .closed:
                return
            }
        }
    }

    /// More bytes are needed to continue.
    private func inputIsMissing() {
        if reading == .ended { close() }
    }

    /// Parses a head. False if it is incomplete.
    private func parseHead() -> Bool {
        var head = RequestHead()
        switch unsafe parser.parse(input.octets.span, into: &head) {
        case .incomplete:
            return false
        case .failed(let error):
            refuse(error)
            return true
        case .complete(let length):
            let (request, about) = request(head)
            input.consume(length)
            if let refusal = server.handler.refusal(of: request) {
                send(refusal, to: request.bodyLength == 0 ? about : about.last)
                return true
            }
            let consumer = unsafe server.handler.bodyConsumer(for: request)
            if unsafe consumer == nil, let length = request.bodyLength, length > LocalServer.maxBody {
                refuse(.bodyTooLarge)
                return true
            }
            unsafe enter(.receiving(Incoming(request, BodyReader(head.framing), about, consumer: consumer)))
            if head.expectsContinue, input.isEmpty {
                output.append("HTTP/1.1 100 Continue\r\n\r\n")
                flush()
            }
            return true
        }
    }

    private func request(_ head: RequestHead) -> (LocalRequest, Request) {
        let bytes = unsafe input.readable
        let text = { (range: ByteRange) in unsafe String(decoding: bytes[range.range], as: UTF8.self) }
        let query =
            Int(head.path.upperBound) < Int(head.pathAndQuery.upperBound)
            ? text(ByteRange(Int(head.path.upperBound) + 1, Int(head.pathAndQuery.upperBound))) : nil
        let request = LocalRequest(
            number: server.nextRequest(),
            method: text(head.methodRange),
            target: text(head.target),
            path: text(head.path),
            query: query,
            origin: head.form == .absolute && head.method != .connect
                ? text(ByteRange(Int(head.target.lowerBound), Int(head.authority.upperBound))) : nil,
            bodyLength: Self.length(head.framing),
            fields: head.fields.map { (text($0.name), text($0.value)) }
        )
        let about = Request(
            number: request.number,
            isHead: head.method == .head,
            isOld: head.minorVersion == 0,
            isLast: !head.keepsAlive
        )
        return (request, about)
    }

    private static func length(_ framing: MessageFraming) -> UInt64? {
        switch framing {
        case .none: 0
        case .length(let length): length
        case .chunked, .untilClose: nil
        }
    }

    /// Takes the available part of the body. False if the body is incomplete.
    private func receive(_ incoming: Incoming) -> Bool {
        var offset = 0
        let octets = unsafe input.octets
        while true {
            switch unsafe incoming.body.next(octets.span, from: offset) {
            case .data(let range):
                offset = Int(range.upperBound)
                let bytes = unsafe UnsafeRawBufferPointer(rebasing: input.readable[range.range])
                if let consumer = unsafe incoming.consumer {
                    unsafe consumer(bytes)
                } else if incoming.request.body.count + bytes.count <= LocalServer.maxBody {
                    unsafe incoming.request.body.append(contentsOf: bytes)
                } else {
                    refuse(.bodyTooLarge)
                    return true
                }
            case .needsMore(let end):
                input.consume(end)
                return false
            case .finished(let end):
                input.consume(end)
                enter(.serving(incoming.about))
                server.handler.serve(
                    incoming.request,
                    LocalResponder(connection: self, number: incoming.request.number)
                )
                return true
            case .failed(let error):
                refuse(error)
                return true
            }
        }
    }

    /// Answers a request that cannot be served. The start of the next one is unknown, so the connection ends.
    private func refuse(_ error: HTTP1Error) {
        let response = server.handler.response(to: error)
        send(response, to: Request(number: 0, isHead: false, isOld: false, isLast: true))
    }
}
