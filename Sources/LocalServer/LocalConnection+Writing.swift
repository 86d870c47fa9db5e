import EventIO
import HTTP1

/// Responses: whole ones, and those that are written in parts.
extension LocalConnection {
    private static let pattern: [UInt8] = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

    /// The request that waits for a response, if its number is `number`. Nil once it is answered.
    private func serving(_ number: Int) -> Request? {
        if case .serving(let request) = state, request.number == number { request } else { nil }
    }

    private func stream(_ number: Int) -> (request: Request, stream: Stream)? {
        if case .streaming(let request, let stream) = state, request.number == number { (request, stream) } else { nil }
    }

    func send(_ response: LocalResponse, number: Int) {
        if let request = serving(number) { send(response, to: request) }
    }

    func send(_ response: LocalResponse, to request: Request) {
        let length: Int
        switch response.body {
        case .bytes(let bytes): length = bytes.count
        case .pattern(let count): length = count
        }
        writeHead(response.status, response.fields)
        let hasBody = response.status >= 200 && response.status != 204 && response.status != 304
        if hasBody { output.append("Content-Length: \(length)\r\n") }
        endHead(isLast: request.isLast)
        guard hasBody, !request.isHead else { return finish(request) }
        switch response.body {
        case .bytes(let bytes):
            output.append(bytes)
            finish(request)
        case .pattern(let count):
            finish(request, pattern: count)
        }
    }

    func begin(
        _ status: Int,
        fields: [(name: String, value: String)],
        whenGone: (() -> Void)? = nil,
        number: Int
    ) {
        guard let request = serving(number) else { return }
        writeHead(status, fields)
        if !request.isOld { output.append("Transfer-Encoding: chunked\r\n") }
        endHead(isLast: request.isLast || request.isOld)
        // HEAD gets the head alone.
        if request.isHead { return finish(request) }
        enter(.streaming(request, Stream(request.isOld ? .untilClose : .chunked, gone: whenGone)))
        flush()
    }

    func write(_ text: String, number: Int) -> LocalResponder.Written {
        guard let (_, stream) = stream(number) else { return .gone }
        guard output.count < LocalServer.maxPending else { return .full }
        guard !text.isEmpty else { return .taken }
        switch stream.framing {
        case .untilClose:
            output.append(text)
        case .chunked:
            output.append(hexadecimal: text.utf8.count)
            output.append("\r\n")
            output.append(text)
            output.append("\r\n")
        }
        flush()
        if case .closed = state { return .gone }
        return .taken
    }

    func pendingBytes(number: Int) -> Int {
        stream(number) == nil ? 0 : output.count
    }

    func whenDrained(_ body: @escaping () -> Void, number: Int) {
        guard let (_, stream) = stream(number), output.count >= LocalServer.lowPending else {
            return server.soon(body)
        }
        stream.drained = body
    }

    func end(number: Int) {
        guard let (request, stream) = stream(number) else { return }
        switch stream.framing {
        case .untilClose: finish(Request(number: number, isHead: false, isOld: true, isLast: true))
        case .chunked:
            output.append("0\r\n\r\n")
            finish(request)
        }
    }

    /// Closes the connection without a word, unless the response to that request is complete.
    func drop(number: Int) {
        if serving(number) != nil || stream(number) != nil { close() }
    }

    private func writeHead(_ status: Int, _ fields: [(name: String, value: String)]) {
        output.append("HTTP/1.1 \(status) \(StatusPhrase.of(status))\r\n")
        for field in fields { output.append("\(field.name): \(field.value)\r\n") }
    }

    private func endHead(isLast: Bool) {
        if isLast { output.append("Connection: close\r\n") }
        output.append("\r\n")
    }

    private func finish(_ request: Request, pattern: Int = 0) {
        enter(.sending(pattern: pattern, isLast: request.isLast))
        flush()
    }

    func descriptorIsWritable(_ watch: DescriptorWatch) {
        flush()
    }

    func flush() {
        while true {
            makePattern()
            guard !output.isEmpty else { break }
            switch unsafe SocketIO.write(descriptor, output.readable) {
            case .moved(let count):
                output.consume(count)
                moved += count
            case .wouldBlock:
                drainedIfLow()
                return watch.setWriting(true)
            case .failed, .endOfStream:
                return close()
            }
        }
        watch.setWriting(false)
        drainedIfLow()
        if case .sending(_, let isLast) = state { sent(isLast) }
    }

    private func makePattern() {
        guard case .sending(let left, let isLast) = state, left > 0, output.count < Self.window else { return }
        let part = min(left, Self.pattern.count)
        unsafe Self.pattern.withUnsafeBytes { unsafe output.append(UnsafeRawBufferPointer(rebasing: $0[..<part])) }
        state = .sending(pattern: left - part, isLast: isLast)
    }

    private func drainedIfLow() {
        guard case .streaming(_, let stream) = state, output.count < LocalServer.lowPending,
            let drained = stream.drained
        else { return }
        stream.drained = nil
        server.soon(drained)
    }

    /// The whole response is written: the next request may be read.
    private func sent(_ isLast: Bool) {
        if isLast {
            guard reading != .ended else { return close() }
            SocketIO.shutdownWriting(descriptor)
            enter(.lingering(budget: Self.window * 4))
        } else {
            enter(.awaitingHead)
        }
        if reading == .paused {
            reading = .open
            watch.setReading(true)
        }
        // Not called from the handler: consecutive responses must not nest.
        if !input.isEmpty || reading == .ended { server.soon { [weak self] in self?.process() } }
    }
}
