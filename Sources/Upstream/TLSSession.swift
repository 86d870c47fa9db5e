internal import CCurl
import EventIO

/// What is called of OpenSSL itself, where libcurl is linked to it.
private struct OpenSSL: Sendable {
    /// `SSL *`
    typealias Session = UnsafeMutableRawPointer
    typealias SetDescriptor = @convention(c) (Session, Int32) -> Int32
    typealias Read = @convention(c) (Session, UnsafeMutableRawPointer?, Int32) -> Int32
    typealias Write = @convention(c) (Session, UnsafeRawPointer?, Int32) -> Int32
    typealias ErrorOf = @convention(c) (Session, Int32) -> Int32
    typealias HasPending = @convention(c) (Session) -> Int32
    typealias PeekError = @convention(c) () -> UInt
    typealias ClearErrors = @convention(c) () -> Void
    typealias Version = @convention(c) (Session) -> UnsafePointer<CChar>?

    let setDescriptor: SetDescriptor
    let read: Read
    let write: Write
    let error: ErrorOf
    let hasPending: HasPending
    let peekError: PeekError
    let clearErrors: ClearErrors
    let version: Version

    /// Nil where one of the functions is not there.
    static let shared = OpenSSL()

    private init?() {
        func find<Function>(_ name: String) -> Function? {
            ccurl_tls_function(name).map { unsafeBitCast($0, to: Function.self) }
        }
        guard let setDescriptor: SetDescriptor = find("SSL_set_fd"), let read: Read = find("SSL_read"),
            let write: Write = find("SSL_write"), let error: ErrorOf = find("SSL_get_error"),
            let hasPending: HasPending = find("SSL_has_pending"), let peekError: PeekError = find("ERR_peek_error"),
            let clearErrors: ClearErrors = find("ERR_clear_error"),
            let version: Version = find("SSL_get_version")
        else { return nil }
        self.setDescriptor = setDescriptor
        self.read = read
        self.write = write
        self.error = error
        self.hasPending = hasPending
        self.peekError = peekError
        self.clearErrors = clearErrors
        self.version = version
    }

    func holdsBytes(_ session: Session) -> Bool { hasPending(session) != 0 }
}

extension EasyHandle {
    /// `TLSv1.3` and the like; nil where it cannot be known, such as before anything was sent.
    var protocolVersion: String? {
        guard usesOpenSSL, let library = OpenSSL.shared, let session = ccurl_tls_session(curl) else { return nil }
        return library.version(session).map { String(cString: $0) }
    }

    /// The same as a session's, where bytes pass through libcurl; true where it cannot be known.
    var holdsBytes: Bool {
        guard let library = OpenSSL.shared, let session = ccurl_tls_session(curl) else { return true }
        return library.holdsBytes(session)
    }
}

/// The TLS session of a connection that libcurl made and will end; in between, bytes go straight through it, to and
/// from the socket (SSL_set_fd(3)) rather than through libcurl's own layer.
///
/// *Ownership*: the session is libcurl's, good until the connection is closed. *Threading*: its connection's loop.
struct TLSSession {
    private let ssl: OpenSSL.Session
    private let library: OpenSSL

    /// It rests on how libcurl keeps its session, which is not promised: so only with the releases it was tested with.
    /// With others bytes go through libcurl, for 6 to 10 % more CPU time.
    private static let isTested = {
        (0x07_58_00...0x07_58_FF).contains(ccurl_versions().pointee.version_num)
    }()

    /// Nil when libcurl was not used to send or receive on the connection yet, or uses another TLS library.
    init?(_ easy: EasyHandle, descriptor: Int32) {
        guard Self.isTested, easy.usesOpenSSL, let library = OpenSSL.shared, let ssl = ccurl_tls_session(easy.curl)
        else { return nil }
        guard library.setDescriptor(ssl, descriptor) == 1 else { return nil }
        self.library = library
        self.ssl = ssl
    }

    /// Whether bytes of the upstream wait inside the TLS library, whole records or not, where the loop does not see
    /// them. After `receive`.
    var holdsBytes: Bool { library.holdsBytes(ssl) }

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        forgetErrors()
        let count = library.read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
        return count > 0 ? .moved(Int(count)) : result(count)
    }

    func send(_ bytes: UnsafeRawBufferPointer) -> IOResult {
        forgetErrors()
        let count = library.write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
        return count > 0 ? .moved(Int(count)) : result(count)
    }

    /// What others left in this thread's queue would be taken for ours (SSL_get_error(3)).
    private func forgetErrors() {
        if library.peekError() != 0 { library.clearErrors() }
    }

    private func result(_ count: Int32) -> IOResult {
        switch library.error(ssl, count) {
        // SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE
        case 2, 3: .wouldBlock
        // SSL_ERROR_ZERO_RETURN: the upstream said that it ends (close_notify). Anything else broke off (RFC 9112
        // section 9.8).
        case 6: .endOfStream
        default: .failed(0)
        }
    }
}
