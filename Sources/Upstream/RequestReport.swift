/// How far one request came, what was observed on the way, and why it ended: for people who look for a fault.
public struct RequestReport: Sendable {
    /// The steps to a response, in order.
    public enum Stage: Int, Sendable, Comparable {
        case resolving, connecting
        /// The proxy is asked for a connection to the upstream.
        case tunnelling
        case securing, answering

        public static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    public enum Outcome: Sendable {
        /// The head is complete; the body may have been cut, see `BlockingRequest.report`.
        case response(BlockingRequest.Response)
        case failed(Failure)
    }

    public struct Failure: Sendable {
        public var stage: Stage
        public var cause: Cause
        /// The same failure as an `UpstreamError`, for callers without words of their own.
        public var error: UpstreamError
        /// The proxy, not the upstream, could not be reached or refused.
        public var isOfProxy: Bool

        public init(stage: Stage, cause: Cause, error: UpstreamError, isOfProxy: Bool = false) {
            self.stage = stage
            self.cause = cause
            self.error = error
            self.isOfProxy = isOfProxy
        }
    }

    public enum Cause: Sendable, Equatable {
        case unresolved
        /// The `errno` of connect(2); 0 if it is not known.
        case notConnected(Int32)
        case timeout
        /// The certificate is rejected: OpenSSL's number, `X509_V_ERR_…` (openssl-verification-options(1)).
        case untrusted(Int)
        /// The certificate is valid, but for another host.
        case wrongName
        /// The peer ends TLS with that alert (RFC 8446 section 6).
        case alert(Int)
        /// The peer does not speak TLS.
        case notTLS
        /// The two sides share no TLS version or cipher.
        case incompatible
        /// A file of `tls:` cannot be used.
        case files
        case closed
        /// The peer does not speak HTTP.
        case notHTTP
        case other
    }

    /// Seconds from the start to the end of each step; nil for a step that was not reached or not needed.
    public struct Progress: Sendable {
        public var resolved: Double?
        public var connected: Double?
        public var secured: Double?

        public init(resolved: Double? = nil, connected: Double? = nil, secured: Double? = nil) {
            self.resolved = resolved
            self.connected = connected
            self.secured = secured
        }
    }

    /// The peer's certificate and the faulty one, in DER; nil if libcurl's TLS library does not provide them.
    public struct Certificates: Sendable, Equatable {
        public var peer: [UInt8]?
        public var faulty: [UInt8]?
        /// How many levels the faulty certificate is above the peer's own.
        public var depth: Int

        public init(peer: [UInt8]? = nil, faulty: [UInt8]? = nil, depth: Int = 0) {
            self.peer = peer
            self.faulty = faulty
            self.depth = depth
        }
    }

    public var outcome: Outcome
    public var progress: Progress
    /// The address of the peer, which may be a proxy.
    public var address: String?
    /// `host:port` of the proxy in use.
    public var proxy: String?
    /// The `Date` of the proxy's own answer.
    public var proxyDate: String?
    public var certificates: Certificates

    public init(
        outcome: Outcome,
        progress: Progress = Progress(),
        address: String? = nil,
        proxy: String? = nil,
        proxyDate: String? = nil,
        certificates: Certificates = Certificates()
    ) {
        self.outcome = outcome
        self.progress = progress
        self.address = address
        self.proxy = proxy
        self.proxyDate = proxyDate
        self.certificates = certificates
    }
}
