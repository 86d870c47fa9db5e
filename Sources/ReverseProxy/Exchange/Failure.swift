/// An answer that Squire gives itself (RFC 9457 problem details, RFC 9209 Proxy-Status).
public struct Failure: Error, Sendable, Equatable {
    public var status: Int
    public var code: String
    public var title: String
    public var detail: String
    /// The `error` of Proxy-Status.
    public var proxyError: String
    public var retryAfter: Int?

    public init(
        _ status: Int,
        _ code: String,
        _ title: String,
        detail: String,
        proxyError: String,
        retryAfter: Int? = nil
    ) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.proxyError = proxyError
        self.retryAfter = retryAfter
    }
}
