/// How far one request came, what was seen on its way, and why it ended: for people who want to know what is wrong.
public struct RequestReport: Sendable {
    /// The steps to a response, in their order.
    public enum Stage: Int, Sendable, Comparable {
        case resolving, connecting
        /// The proxy is asked for a connection to the upstream.
        case tunnelling
        case securing, answering

        public static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    public enum Outcome: Sendable {
        /// Its head is whole; its body may have been cut, see `BlockingRequest.report`.
        case response(BlockingRequest.Response)
        case failed(Failure)
    }

    public struct Failure: Sendable {
        public var stage: Stage
        public var cause: Cause
        /// The same for whoever has no words for the cause.
        public var error: UpstreamError
        /// It is the proxy that could not be reached, or that refuses; not the upstream.
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
        /// `errno` of connecting; 0 when it is not known.
        case notConnected(Int32)
        case timeout
        /// The certificate is not accepted: OpenSSL's number, `X509_V_ERR_…` (openssl-verification-options(1)).
        case untrusted(Int)
        /// The certificate is good, and is another host's.
        case wrongName
        /// The peer ends TLS with that alert (RFC 8446 section 6).
        case alert(Int)
        /// What comes is not TLS.
        case notTLS
        /// The two have no version or cipher of TLS in common.
        case incompatible
        /// A file of `tls:` cannot be used.
        case files
        case closed
        /// What comes is not HTTP.
        case notHTTP
        case other
    }

    /// Seconds from the start to the end of a step; nil where it was not reached, or is not needed.
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

    /// The peer's certificate and the one that the fault is about, in DER; nil where libcurl's TLS library does not
    /// tell.
    public struct Certificates: Sendable, Equatable {
        public var peer: [UInt8]?
        public var faulty: [UInt8]?
        /// How far above the peer's own certificate the faulty one is.
        public var depth: Int

        public init(peer: [UInt8]? = nil, faulty: [UInt8]? = nil, depth: Int = 0) {
            self.peer = peer
            self.faulty = faulty
            self.depth = depth
        }
    }

    public var outcome: Outcome
    public var progress: Progress
    /// The address of the other end, a proxy's perhaps.
    public var address: String?
    /// `host:port` of the proxy that was used.
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
