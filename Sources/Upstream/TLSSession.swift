internal import CCurl
import EventIO

/// OpenSSL functions that are called directly, if libcurl is linked to OpenSSL.
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

    /// Nil if a function is missing.
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
    /// `TLSv1.3` and the like; nil if it is not known, for example before anything was sent.
    var protocolVersion: String? {
        guard usesOpenSSL, let library = OpenSSL.shared, let session = ccurl_tls_session(curl) else { return nil }
        return library.version(session).map { String(cString: $0) }
    }

    /// The same for a connection whose bytes pass through libcurl; true if it is not known.
    var holdsBytes: Bool {
        guard let library = OpenSSL.shared, let session = ccurl_tls_session(curl) else { return true }
        return library.holdsBytes(session)
    }
}

/// The TLS session of a connection that libcurl makes and ends. In between, bytes pass directly between it and the
/// socket (SSL_set_fd(3)), and not through libcurl's own layer.
///
/// *Ownership*: libcurl owns the session, which is valid until the connection is closed. *Threading*: its connection's
/// loop.
struct TLSSession {
    private let ssl: OpenSSL.Session
    private let library: OpenSSL

    /// Depends on how libcurl stores its session, which it does not promise: used only with releases that were tested.
    /// With others bytes pass through libcurl, for 6 to 10 % more CPU time.
    private static let isTested = {
        (0x07_58_00...0x07_58_FF).contains(ccurl_versions().pointee.version_num)
    }()

    /// Nil if libcurl has neither sent nor received on the connection yet, or uses another TLS library.
    init?(_ easy: EasyHandle, descriptor: Int32) {
        guard Self.isTested, easy.usesOpenSSL, let library = OpenSSL.shared, let ssl = ccurl_tls_session(easy.curl)
        else { return nil }
        guard library.setDescriptor(ssl, descriptor) == 1 else { return nil }
        self.library = library
        self.ssl = ssl
    }

    /// Whether the TLS library holds bytes of the upstream, whole records or not, which the loop cannot see. Call after
    /// `receive`.
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

    /// Errors that other code left in this thread's queue would be taken for ours (SSL_get_error(3)).
    private func forgetErrors() {
        if library.peekError() != 0 { library.clearErrors() }
    }

    private func result(_ count: Int32) -> IOResult {
        switch library.error(ssl, count) {
        // SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE
        case 2, 3: .wouldBlock
        // SSL_ERROR_ZERO_RETURN: the upstream announced its end (close_notify). Anything else is a truncation (RFC 9112
        // section 9.8).
        case 6: .endOfStream
        default: .failed(0)
        }
    }
}
