import EventIO
import HTTP1

/// One client of a `LocalServer`: one request after the other.
final class LocalConnection: DescriptorWatchDelegate {
    private unowned let server: LocalServer
    private let descriptor: Int32
    private var watch: DescriptorWatch?
    private let input = ByteBuffer(capacity: 16 * 1024)
    private let output = ByteBuffer(capacity: 16 * 1024)
    private var parser = RequestParser(limits: HeadLimits())
    private var head = RequestHead()
    private var idle: EventTimer?

    /// The request whose body is being read.
    private var incoming: Incoming?
    /// The request is complete and not answered yet.
    private var isServing = false
    private var closes = false
    private var patternLeft = 0
    private var isWritingChunks = false
    /// The answer is complete, but for what waits in `output` and `patternLeft`.
    private var isAnswered = false

    /// For a request's head, between requests, and for a body that does not move.
    private static let idleTime = Duration.seconds(60)
    private static let window = 256 * 1024
    private static let pattern: [UInt8] = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

    init(server: LocalServer, descriptor: Int32) {
        self.server = server
        self.descriptor = descriptor
        watch = DescriptorWatch(loop: server.loop, descriptor: descriptor, delegate: self)
        idle = EventTimer(loop: server.loop) { [unowned self] in
            // An answer may take its time, but not a request.
            if isServing { idle?.arm(after: Self.idleTime) } else { close() }
        }
    }

    func start() {
        watch?.setReading(true)
        idle?.arm(after: Self.idleTime)
    }

    func close() {
        guard let watch else { return }
        watch.close()
        self.watch = nil
        idle?.cancel()
        SocketIO.close(descriptor)
        server.connectionClosed(self)
    }

    // MARK: Reading

    func descriptorIsReadable(_ watch: DescriptorWatch) {
        switch SocketIO.read(descriptor, into: input.writable(minimum: 16 * 1024)) {
        case .moved(let count):
            input.commit(count)
            if incoming != nil { idle?.arm(after: Self.idleTime) }
            process()
        case .wouldBlock:
            break
        case .endOfStream:
            // A client that has said everything may still wait for its answer.
            if isServing {
                closes = true
                watch.setReading(false)
            } else {
                close()
            }
        case .failed:
            close()
        }
    }

    private func process() {
        while watch != nil, !isServing {
            if incoming == nil {
                guard !input.isEmpty, parseHead() else { return }
            }
            guard takeBody() else { return }
            serve()
        }
        if input.count > Self.window { watch?.setReading(false) }
    }

    private func parseHead() -> Bool {
        switch parser.parse(input.octets.span, into: &head) {
        case .incomplete:
            return false
        case .failed(let error):
            closes = true
            isServing = true
            let fields = [(name: "X-Content-Type-Options", value: "nosniff")]
            send(LocalResponse(400, contentType: "text/plain", error.detail + "\n", fields: fields), isHead: false)
            return false
        case .complete(let length):
            let bytes = input.readable
            let text = { (range: ByteRange) in String(decoding: bytes[range.range], as: UTF8.self) }
            let query =
                Int(head.path.upperBound) < Int(head.pathAndQuery.upperBound)
                ? text(ByteRange(Int(head.path.upperBound) + 1, Int(head.pathAndQuery.upperBound))) : nil
            let request = LocalRequest(
                number: server.nextRequest(),
                method: text(head.methodRange),
                target: text(head.target),
                path: text(head.path),
                query: query,
                fields: head.fields.map { (text($0.name), text($0.value)) }
            )
            closes = !head.keepsAlive
            input.consume(length)
            incoming = Incoming(
                request: request,
                body: BodyReader(head.framing),
                consumer: server.handler.bodyConsumer(for: request)
            )
            if head.expectsContinue, input.isEmpty {
                output.append("HTTP/1.1 100 Continue\r\n\r\n")
                flush()
            }
            return true
        }
    }

    /// Takes what is there of the body; true when it is complete.
    private func takeBody() -> Bool {
        var offset = 0
        let octets = input.octets
        while let step = incoming?.body.next(octets.span, from: offset) {
            switch step {
            case .data(let range):
                guard take(UnsafeRawBufferPointer(rebasing: input.readable[range.range])) else { return false }
                offset = Int(range.upperBound)
            case .needsMore(let end):
                input.consume(end)
                return false
            case .finished(let end):
                input.consume(end)
                return true
            case .failed:
                close()
                return false
            }
        }
        return false
    }

    private func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if let consumer = incoming?.consumer {
            consumer(bytes)
            return true
        }
        guard (incoming?.request.body.count ?? 0) + bytes.count <= LocalServer.maxBody else {
            closes = true
            isServing = true
            send(LocalResponse(413, contentType: "text/plain", "the body is too large\n"), isHead: false)
            return false
        }
        incoming?.request.body.append(contentsOf: bytes)
        return true
    }

    private func serve() {
        guard let request = incoming?.request else { return }
        incoming = nil
        isServing = true
        server.handler.serve(request, LocalResponder(connection: self, isHead: request.method == "HEAD"))
    }

    // MARK: Writing

    func send(_ response: LocalResponse, isHead: Bool) {
        guard isServing, watch != nil else { return }
        let length: Int
        switch response.body {
        case .bytes(let bytes): length = bytes.count
        case .pattern(let count): length = count
        }
        writeHead(response.status, response.fields)
        if response.status >= 200, response.status != 204, response.status != 304 {
            output.append("Content-Length: \(length)\r\n")
        }
        if closes { output.append("Connection: close\r\n") }
        output.append("\r\n")
        if !isHead {
            switch response.body {
            case .bytes(let bytes): output.append(bytes)
            case .pattern(let count): patternLeft = count
            }
        }
        finish()
    }

    func begin(_ status: Int, fields: [(name: String, value: String)], isHead: Bool) {
        guard isServing, watch != nil else { return }
        writeHead(status, fields)
        output.append("Transfer-Encoding: chunked\r\n")
        if closes { output.append("Connection: close\r\n") }
        output.append("\r\n")
        if isHead { return finish() }
        isWritingChunks = true
        flush()
    }

    func write(chunk text: String) -> Bool {
        guard isWritingChunks, watch != nil, !text.isEmpty, output.count < 4 * Self.window else { return watch != nil }
        output.append(hexadecimal: text.utf8.count)
        output.append("\r\n")
        output.append(text)
        output.append("\r\n")
        flush()
        return watch != nil
    }

    func endChunks() {
        guard isWritingChunks, watch != nil else { return }
        isWritingChunks = false
        output.append("0\r\n\r\n")
        finish()
    }

    private func writeHead(_ status: Int, _ fields: [(name: String, value: String)]) {
        output.append("HTTP/1.1 \(status) \(StatusPhrase.of(status))\r\n")
        for field in fields { output.append("\(field.name): \(field.value)\r\n") }
    }

    /// The answer is written, or on its way: the next request may come.
    private func finish() {
        isAnswered = true
        flush()
    }

    private func answered() {
        isAnswered = false
        isServing = false
        if closes { return linger() }
        idle?.arm(after: Self.idleTime)
        watch?.setReading(true)
        // Not from within the handler: answers in a row must not nest.
        server.loop.execute { [reference = ConnectionReference(self)] in reference.connection?.process() }
    }

    /// Says that nothing more comes, and waits for the client to close, so that unread bytes do not reset the
    /// connection.
    private func linger() {
        SocketIO.shutdownWriting(descriptor)
        idle?.arm(after: .seconds(1))
    }

    func descriptorIsWritable(_ watch: DescriptorWatch) {
        flush()
    }

    private func flush() {
        while watch != nil {
            if patternLeft > 0, output.count < Self.window {
                let part = min(patternLeft, Self.pattern.count)
                Self.pattern.withUnsafeBytes { output.append(UnsafeRawBufferPointer(rebasing: $0[..<part])) }
                patternLeft -= part
            }
            guard !output.isEmpty else { break }
            switch SocketIO.write(descriptor, output.readable) {
            case .moved(let count): output.consume(count)
            case .wouldBlock:
                watch?.setWriting(true)
                return
            case .failed, .endOfStream: return close()
            }
        }
        watch?.setWriting(false)
        if isAnswered, watch != nil { answered() }
    }
}

/// A request whose head is here and whose body is on its way.
private struct Incoming {
    var request: LocalRequest
    var body: BodyReader
    /// Takes the body piece by piece; nil has it collected in `request`.
    let consumer: ((UnsafeRawBufferPointer) -> Void)?
}

/// Lets a connection be named in work for its own loop.
private struct ConnectionReference: @unchecked Sendable {
    // `@unchecked`: made and used on one loop.
    weak var connection: LocalConnection?

    init(_ connection: LocalConnection) {
        self.connection = connection
    }
}
