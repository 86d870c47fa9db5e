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
/// *Ownership*: owns its descriptor, or the libcurl transport that does; nobody else can close either. `close()` ends
/// it. *Threading*: belongs to its connector's loop.
public final class UpstreamConnection: DescriptorWatchDelegate {
    /// What carries the bytes.
    enum Carrier {
        /// A socket of this connection's own: nothing but the kernel is between the upstream and us, and libcurl, which
        /// looks a connection up in a list for each send and receive (4 % of the CPU time of a request), has no part in
        /// it any more.
        case socket(Int32)
        /// libcurl, for TLS to the upstream or to a proxy; the descriptor is the transport's.
        case library(CurlTransport, descriptor: Int32)
    }

    /// One TLS record's worth.
    static let stagingCapacity = 16 * 1024

    /// Goes before the connector does: its easy handle uses what the connector shares.
    private let carrier: Carrier
    private let connector: UpstreamConnector
    /// Nil once nothing can be done with the connection any more.
    private var watch: DescriptorWatch?
    private var isClosed = false
    /// How long its making took.
    public let setup: ConnectionSetup
    private let descriptor: Int32
    private let isSecure: Bool
    /// A TLS connection to the proxy may hold bytes too, and nothing tells.
    private let mayHoldUnseen: Bool
    /// TLS without a proxy, once the first message is sent: bytes need not pass through libcurl there either, 6 to 10
    /// %.
    private var session: TLSSession?
    /// Bytes wait in the TLS library: the loop will not say so.
    private var holdsBytes = false
    /// Bytes a TLS send could not finish; they must be offered again from the same address.
    private var staged: ByteBuffer?
    /// Who is told. Not retained, and not checked (it is read for every event): an owner that goes away clears it
    /// first.
    public unowned(unsafe) var delegate: (any UpstreamConnectionDelegate)?
    /// When it became idle, monotonic nanoseconds.
    public var idleSince: UInt64 = 0

    init(_ connector: UpstreamConnector, _ loop: EventLoop, _ carrier: Carrier, _ setup: ConnectionSetup) {
        self.connector = connector
        self.carrier = carrier
        self.setup = setup
        switch carrier {
        case .socket(let own): descriptor = own
        case .library(_, let theirs): descriptor = theirs
        }
        isSecure = connector.settings.isSecure
        mayHoldUnseen = connector.settings.proxy.mayBeSecure
        watch = DescriptorWatch(loop: loop, descriptor: descriptor, delegate: self)
        // The socket stays registered between requests: an idle connection that becomes readable is dead or
        // misbehaving.
        watch?.setReading(true)
        if case .library(let transport, _) = carrier { transport.guardDescriptor { [unowned self] in lost() } }
    }

    deinit {
        close()
    }

    public var isOpen: Bool { watch != nil }

    /// Between two exchanges: nothing came from the upstream, its end neither. A connection that is not quiet is of no
    /// use any more: what came may have been taken from it.
    public var isQuiet: Bool {
        guard isOpen else { return false }
        if !holdsBytes, SocketIO.isQuiet(descriptor) { return true }
        // It may be for the TLS library: a server sends session tickets when it likes (RFC 8446 section 4.6.1). Nobody
        // knows what half a record is.
        return isSecure
            && withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { receive(into: $0) == .wouldBlock }
            && !(session?.holdsBytes ?? libraryHoldsBytes)
    }

    /// The version of TLS that protects the connection, such as `TLSv1.3`, where it is known. For people: it allocates.
    public var protocolVersion: String? {
        guard isOpen, isSecure, case .library(let transport, _) = carrier else { return nil }
        return transport.easy.protocolVersion
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
        guard case .library(let transport, _) = carrier else { return SocketIO.read(descriptor, into: buffer) }
        if let session {
            let result = session.receive(into: buffer)
            holdsBytes = if case .moved = result { session.holdsBytes } else { false }
            return result
        }
        let easy = transport.easy
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

    /// Tells the upstream that nothing more is sent; it can still be received from. Through TLS it looks like a
    /// connection that broke off: libcurl has no way to say it there.
    public func shutdownWriting() {
        if let watch { SocketIO.shutdownWriting(watch.descriptor) }
    }

    /// libcurl is about to close the descriptor, which it must not: whatever is done with the connection from now on
    /// fails.
    private func lost() {
        watch?.close()
        watch = nil
        session = nil
    }

    /// Ends the connection at once; no callback comes afterwards. `reset` throws away what the upstream has not taken: it would wait for that
    /// before it saw the end.
    public func close(reset: Bool = false) {
        guard !isClosed else { return }
        isClosed = true
        if reset, watch != nil { SocketIO.resetOnClose(descriptor) }
        // Before the descriptor is closed: it may be reused at once.
        lost()
        delegate = nil
        connector.connectionCount -= 1
        switch carrier {
        case .socket(let own): SocketIO.close(own)
        case .library(let transport, _): transport.end()
        }
    }

    private var libraryHoldsBytes: Bool {
        if case .library(let transport, _) = carrier { transport.easy.holdsBytes } else { false }
    }

    private func offer(_ bytes: UnsafeRawBufferPointer) -> IOResult {
        guard case .library(let transport, _) = carrier else { return SocketIO.write(descriptor, bytes) }
        if let session { return session.send(bytes) }
        var count = 0
        let code = curl_easy_send(transport.easy.curl, bytes.baseAddress, bytes.count, &count)
        switch code {
        case CURLE_OK:
            // Not before: libcurl tells its session once it was used.
            if count == bytes.count, connector.settings.proxy == .none {
                session = TLSSession(transport.easy, descriptor: descriptor)
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
