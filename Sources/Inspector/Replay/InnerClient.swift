import EventIO
import HTTP1
import Platform

/// A client of the proxy inside its own process: sends one request on one end of a socket pair and throws the answer
/// away, which the recording tells of. What it holds is bounded by the request.
///
/// *Ownership*: owns its descriptor. *Threading*: belongs to its loop. Calls back once, unless it was stopped before.
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
    /// Nothing but the answer's head is waited for any more.
    private var isHurried = false

    /// How it ended.
    struct Ending {
        /// Of the final answer; nil when none came.
        var status: Int?
    }

    private enum State {
        /// The head of an answer is awaited, an interim one's too. → `body`, `rest`, `closed`
        case head(ResponseParser)
        /// → `rest`, `closed`
        case body(BodyReader)
        /// What comes cannot be understood: until the other end closes. → `closed`
        case rest
        case closed
    }

    /// The longest time that an answer may take: a stream without an end is not watched for ever.
    static let longestTime = Duration.seconds(600)
    private static let window = 64 * 1024
    /// A head that is longer is not understood, and need not be.
    private static let limits = HeadLimits(head: 1024 * 1024, fields: 1024)

    /// `isHead`: the answer has no body. `ended` is called on the loop, when the whole answer is here or the connection has ended.
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

    /// Ends it without a word.
    func stop() {
        if case .closed = state { return }
        state = .closed
        timer.cancel()
        watch.close()
        SocketIO.close(descriptor)
        request = []
    }

    /// The proxy ends: what has begun to answer is left, so that a stream holds nothing up.
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
                // It may have answered all the same, and closed.
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
