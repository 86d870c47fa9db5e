/// An answer that Squire gives itself (RFC 9457 problem details, RFC 9209 Proxy-Status).
package struct Failure: Error, Sendable, Equatable {
    package var status: Int
    package var code: String
    package var title: String
    package var detail: String
    /// The `error` of Proxy-Status.
    package var proxyError: String
    package var retryAfter: Int?

    package init(
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
