internal import CCurl
public import EventIO

/// Hears from an upstream connection. Called on the loop.
public protocol UpstreamConnectionDelegate: AnyObject {
    /// Bytes, or the end of the stream, can be received.
    func upstreamIsReadable(_ connection: UpstreamConnection)
    /// A `send` that would have blocked can be tried again.
    func upstreamIsWritable(_ connection: UpstreamConnection)
}

/// An established connection to the upstream that carries bytes, through TLS where there is any.
///
/// *Ownership*: owns the easy handle, which stays in the connector's multi handle for the connection's life (libcurl
/// finds the connection through it). `close()` ends both.
/// *Threading*: belongs to its connector's loop.
public final class UpstreamConnection: DescriptorWatchDelegate {
    /// One TLS record's worth.
    static let stagingCapacity = 16 * 1024

    private let connector: UpstreamConnector
    private let easy: EasyHandle
    private var watch: DescriptorWatch?
    private let descriptor: Int32
    private let isSecure: Bool
    /// Nothing but the kernel is between the upstream and us: bytes need not pass through libcurl, which looks the connection up in a
    /// list for each send and receive. 4 % of the CPU time of a request.
    private let isDirect: Bool
    /// A TLS connection to the proxy may hold bytes too, and nothing tells.
    private let mayHoldUnseen: Bool
    /// TLS without a proxy, once the first message is sent: the same, 6 to 10 %.
    private var session: TLSSession?
    /// Bytes wait in the TLS library: the loop will not say so.
    private var holdsBytes = false
    /// Bytes a TLS send could not finish; they must be offered again from the same address.
    private var staged: ByteBuffer?
    /// Who is told. Not retained, and not checked (it is read for every event): an owner that goes away clears it first.
    public unowned(unsafe) var delegate: (any UpstreamConnectionDelegate)?
    /// When it became idle, monotonic nanoseconds.
    public var idleSince: UInt64 = 0

    init(connector: UpstreamConnector, loop: EventLoop, easy: EasyHandle, descriptor: Int32) {
        self.connector = connector
        self.easy = easy
        self.descriptor = descriptor
        isSecure = connector.settings.isSecure
        isDirect = !isSecure && connector.settings.proxy == .none
        mayHoldUnseen = connector.settings.proxy.mayBeSecure
        watch = DescriptorWatch(loop: loop, descriptor: descriptor, delegate: self)
        // The socket stays registered between requests: an idle connection that becomes readable is dead or misbehaving.
        watch?.setReading(true)
    }

    deinit {
        close()
    }

    public var isOpen: Bool { watch != nil }

    /// Between two exchanges: nothing came from the upstream, its end neither. A connection that is not quiet is of no use any more: what
    /// came may have been taken from it.
    public var isQuiet: Bool {
        guard isOpen else { return false }
        if !holdsBytes, SocketIO.isQuiet(descriptor) { return true }
        // It may be for the TLS library: a server sends session tickets when it likes (RFC 8446 section 4.6.1). Nobody knows what half a
        // record is.
        return isSecure
            && withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { receive(into: $0) == .wouldBlock }
            && !(session?.holdsBytes ?? easy.holdsBytes)
    }

    /// Nothing that counts as sent waits inside.
    public var hasSentAll: Bool { staged == nil }

    /// Starts or stops hearing of readability: back-pressure. Costs a system call when it changes.
    public func setReading(_ on: Bool) {
        watch?.setReading(on)
        if holdsBytes { watch?.announceReading() }
    }

    /// Receives what is there, a TLS record at most. What more there is is announced again.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        guard isOpen else { return .failed(0) }
        if isDirect { return SocketIO.read(descriptor, into: buffer) }
        if let session {
            let result = session.receive(into: buffer)
            holdsBytes = if case .moved = result { session.holdsBytes } else { false }
            return result
        }
        let (code, count) = easy.receive(into: buffer)
        // After anything else than bytes there is nothing to be had before the socket has more.
        holdsBytes = code == CURLE_OK && count > 0 && (mayHoldUnseen || isSecure && easy.holdsBytes)
        switch code {
        case CURLE_OK: return count > 0 ? .moved(count) : .endOfStream
        case CURLE_AGAIN: return .wouldBlock
        default: return .failed(Int32(bitPattern: code.rawValue))
        }
    }

    /// Sends as much as goes now. After `.wouldBlock`, or less than everything, the delegate hears when to go on.
    ///
    /// A TLS library that could not finish must be offered the same bytes from the same address again
    /// (SSL_write(3)), so TLS sends go through a buffer of the connection's that counts as sent and is finished first.
    public func send(_ bytes: UnsafeRawBufferPointer) -> IOResult {
        guard isOpen else { return .failed(0) }
        guard staged == nil else { return .wouldBlock }
        guard isSecure else {
            let result = offer(bytes)
            if result != .moved(bytes.count) { watch?.setWriting(true) }
            return result
        }
        let staging = connector.takeStaging()
        let count = min(bytes.count, Self.stagingCapacity)
        staging.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        switch offer(staging.readable) {
        case .moved(count):
            connector.giveStaging(staging)
            return .moved(count)
        case .moved(let part):
            staging.consume(part)
            fallthrough
        case .wouldBlock:
            staged = staging
            watch?.setWriting(true)
            return .moved(count)
        case .endOfStream, .failed:
            connector.giveStaging(staging)
            return .failed(0)
        }
    }

    /// Tells the upstream that nothing more is sent; it can still be received from. Through TLS it looks like a connection that broke
    /// off: libcurl has no way to say it there.
    public func shutdownWriting() {
        if let watch { SocketIO.shutdownWriting(watch.descriptor) }
    }

    /// Ends the connection at once; no callback comes afterwards.
    public func close() {
        guard let watch else { return }
        // Before libcurl closes the descriptor: it may be reused at once.
        watch.close()
        self.watch = nil
        session = nil
        delegate = nil
        curl_multi_remove_handle(connector.multi, easy.curl)
        connector.connectionCount -= 1
    }

    private func offer(_ bytes: UnsafeRawBufferPointer) -> IOResult {
        if isDirect { return SocketIO.write(descriptor, bytes) }
        if let session { return session.send(bytes) }
        var count = 0
        let code = curl_easy_send(easy.curl, bytes.baseAddress, bytes.count, &count)
        switch code {
        case CURLE_OK:
            // Not before: libcurl tells its session once it was used.
            if count == bytes.count, connector.settings.proxy == .none {
                session = TLSSession(easy, descriptor: descriptor)
            }
            return count > 0 ? .moved(count) : .wouldBlock
        case CURLE_AGAIN: return .wouldBlock
        default: return .failed(Int32(bitPattern: code.rawValue))
        }
    }

    public func descriptorIsReadable(_ watch: DescriptorWatch) {
        delegate?.upstreamIsReadable(self)
        if holdsBytes { self.watch?.announceReading() }
    }

    public func descriptorIsWritable(_ watch: DescriptorWatch) {
        if let staging = staged {
            switch offer(staging.readable) {
            case .moved(let count):
                staging.consume(count)
                guard staging.isEmpty else { return }
            case .wouldBlock:
                return
            case .endOfStream, .failed:
                break  // The next send or receive reports it.
            }
            staged = nil
            connector.giveStaging(staging)
        }
        watch.setWriting(false)
        delegate?.upstreamIsWritable(self)
    }
}
