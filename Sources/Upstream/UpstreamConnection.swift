internal import CCurl
public import EventIO

/// Receives the events of an upstream connection. Called on the loop.
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
    /// The carrier of the bytes.
    enum Carrier {
        /// A socket of this connection's own, directly to the upstream. libcurl, which searches a list for each send
        /// and receive (4 % of a request's CPU time), no longer takes part.
        case socket(Int32)
        /// libcurl, for TLS to the upstream or to a proxy; the transport owns the descriptor.
        case library(CurlTransport, descriptor: Int32)
    }

    /// The size of one TLS record.
    static let stagingCapacity = 16 * 1024

    /// Must be released before the connector: its easy handle uses data that the connector shares.
    private let carrier: Carrier
    private let connector: UpstreamConnector
    /// Nil once the connection cannot be used any more.
    private var watch: DescriptorWatch?
    private var isClosed = false
    /// How long its making took.
    public let setup: ConnectionSetup
    private let descriptor: Int32
    private let isSecure: Bool
    /// A TLS connection to the proxy may hold bytes as well, and gives no sign of it.
    private let mayHoldUnseen: Bool
    /// For TLS without a proxy, once the first message is sent: bytes then bypass libcurl, too, which saves 6 to 10 %.
    private var session: TLSSession?
    /// The TLS library holds bytes, which the loop will not report.
    private var holdsBytes = false
    /// Bytes that a TLS send could not finish; they must be offered again from the same address.
    private var staged: ByteBuffer?
    /// Not retained, and not checked because every event reads it: an owner that goes away clears it first.
    public unowned(unsafe) var delegate: (any UpstreamConnectionDelegate)?
    /// When the connection became idle, in monotonic nanoseconds.
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

    /// True if an idle connection has neither unread bytes nor an end of stream. A connection that is not quiet must
    /// not be used again, because the check may have consumed bytes. `now` is in monotonic nanoseconds.
    public func hasNothingToRead(now: UInt64) -> Bool {
        guard let watch else { return false }
        if !holdsBytes, watch.wasFoundQuiet(at: now) || SocketIO.hasNothingToRead(descriptor) { return true }
        // The bytes may be for the TLS library: a server may send session tickets at any time (RFC 8446 section 4.6.1).
        // Part of a record tells nothing.
        return isSecure
            && withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { receive(into: $0) == .wouldBlock }
            && !(session?.holdsBytes ?? libraryHoldsBytes)
    }

    /// The version of TLS that protects the connection, such as `TLSv1.3`, if it is known. For people: allocates.
    public var protocolVersion: String? {
        guard isOpen, isSecure, case .library(let transport, _) = carrier else { return nil }
        return transport.easy.protocolVersion
    }

    /// No accepted bytes are still buffered in `staged`.
    public var hasSentAll: Bool { staged == nil }

    /// Starts or stops watching for bytes: back-pressure. Each change costs a system call.
    public func setReading(_ on: Bool) {
        watch?.setReading(on)
        if holdsBytes { watch?.activateRead() }
    }

    /// Receives the available bytes, at most one TLS record. The delegate is called again if there are more.
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
        // After any result other than bytes, nothing more can be received before the socket is readable.
        holdsBytes = code == CURLE_OK && count > 0 && (mayHoldUnseen || isSecure && easy.holdsBytes)
        switch code {
        case CURLE_OK: return count > 0 ? .moved(count) : .endOfStream
        case CURLE_AGAIN: return .wouldBlock
        default: return .failed(Int32(bitPattern: code.rawValue))
        }
    }

    /// Sends as much as possible now. After `.wouldBlock`, or an incomplete send, the delegate is told when to
    /// continue.
    ///
    /// A TLS library that could not finish must be offered the same bytes from the same address again (SSL_write(3)).
    /// So TLS sends go through a buffer of the connection, whose bytes count as sent and go out first.
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

    /// Tells the upstream that nothing more is sent; its bytes can still be received. Through TLS this looks like a
    /// broken connection, because libcurl cannot send close_notify there.
    public func shutdownWriting() {
        if let watch { SocketIO.shutdownWriting(watch.descriptor) }
    }

    /// libcurl is about to close the descriptor, which it must not do: every later use of the connection fails.
    private func lost() {
        watch?.close()
        watch = nil
        session = nil
    }

    /// Ends the connection at once; no callback follows. `reset` discards bytes that the upstream has not accepted;
    /// otherwise it would receive them before it saw the end.
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
            // Not earlier: libcurl reveals its session after the first use.
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
        if holdsBytes { self.watch?.activateRead() }
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
