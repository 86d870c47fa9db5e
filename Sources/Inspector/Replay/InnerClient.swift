import EventIO
import HTTP1
import Platform

/// A client of the proxy in the same process: sends one request on one end of a socket pair and discards the response,
/// which is recorded. Its memory is bounded by the size of the request.
///
/// *Ownership*: owns its descriptor. *Threading*: belongs to its loop. Calls back once, unless it is stopped first.
final class InnerClient: DescriptorWatchDelegate {
    private let loop: EventLoop
    private let descriptor: Int32
    private lazy var watch = DescriptorWatch(loop: loop, descriptor: descriptor, delegate: self)
    private lazy var timer = EventTimer(loop: loop) { [unowned self] in finish() }
    private var request: [UInt8]
    private var sent = 0
    private let input = ByteBuffer(capacity: 16 * 1024)
    private let method: MethodName
    private let ended: (Ending) -> Void
    private var state: State
    private var status: Int?
    /// Waits only for the response's head.
    private var isHurried = false

    /// How it ended.
    struct Ending {
        /// The status of the final response; nil if none came.
        var status: Int?
    }

    private enum State {
        /// Waits for the head of a response, possibly an interim one. → `body`, `rest`, `closed`
        case head(ResponseParser)
        /// → `rest`, `closed`
        case body(BodyReader)
        /// The response cannot be parsed: waits until the other end closes. → `closed`
        case rest
        case closed
    }

    /// The maximum time for a response: endless streams are not followed forever.
    static let longestTime = Duration.seconds(600)
    private static let window = 64 * 1024
    /// Longer heads are not parsed.
    private static let limits = HeadLimits(head: 1024 * 1024, fields: 1024)

    /// `isHead`: the response has no body. `ended` is called on the loop when the response is complete or the
    /// connection has ended.
    init(
        loop: EventLoop,
        descriptor: Int32,
        request: [UInt8],
        isHead: Bool,
        ended: @escaping (Ending) -> Void
    ) {
        self.loop = loop
        self.descriptor = descriptor
        self.request = request
        method = isHead ? .head : .other
        self.ended = ended
        state = .head(ResponseParser(limits: Self.limits))
    }

    deinit {
        stop()
    }

    func start() {
        timer.arm(after: Self.longestTime)
        watch.setReading(true)
        send()
    }

    /// Ends it without calling back.
    func stop() {
        if case .closed = state { return }
        state = .closed
        timer.cancel()
        watch.close()
        SocketIO.close(descriptor)
        request = []
    }

    /// The proxy is ending: a response that has begun is abandoned, so that streams delay nothing.
    func hurry() {
        isHurried = true
        switch state {
        case .body, .rest: finish()
        case .head, .closed: break
        }
    }

    private func finish() {
        if case .closed = state { return }
        stop()
        ended(Ending(status: status))
    }

    // MARK: Sending

    func descriptorIsWritable(_ watch: DescriptorWatch) {
        send()
    }

    private func send() {
        while sent < request.count {
            let result = request.withUnsafeBytes { bytes in
                SocketIO.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[sent...]))
            }
            switch result {
            case .moved(let count): sent += count
            case .wouldBlock: return watch.setWriting(true)
            case .endOfStream, .failed:
                // The proxy may still have answered and closed.
                sent = request.count
            }
        }
        watch.setWriting(false)
    }

    // MARK: Reading

    func descriptorIsReadable(_ watch: DescriptorWatch) {
        switch SocketIO.read(descriptor, into: input.writable(minimum: Self.window)) {
        case .moved(let count):
            input.commit(count)
            process()
        case .wouldBlock: break
        case .endOfStream, .failed: finish()
        }
    }

    private func process() {
        while true {
            switch state {
            case .head(var parser):
                var head = ResponseHead()
                switch parser.parse(input.octets.span, answering: method, into: &head) {
                case .incomplete:
                    state = .head(parser)
                    return
                case .failed:
                    state = .rest
                case .complete(let length):
                    input.consume(length)
                    if head.isInterim, head.status != 101 {
                        state = .head(ResponseParser(limits: Self.limits))
                        continue
                    }
                    status = head.status
                    if isHurried { return finish() }
                    state = .body(BodyReader(head.framing))
                }
            case .body(var body):
                switch body.next(input.octets.span, from: 0) {
                case .data(let range):
                    input.consume(Int(range.upperBound))
                    state = .body(body)
                case .needsMore(let end):
                    input.consume(end)
                    state = .body(body)
                    return
                case .finished: return finish()
                case .failed: state = .rest
                }
            case .rest:
                return input.clear()
            case .closed:
                return
            }
        }
    }
}
