import Credentials
import EventIO
import HTTP1

/// Writes answers of Squire's own: `application/problem+json`.
enum OwnAnswer {
    static func append(
        _ failure: Failure,
        method: MethodName,
        closes: Bool,
        confirmsKeepAlive: Bool = false,
        to output: ByteBuffer
    ) {
        let body =
            JSONValue.object([
                .init("type", .string("about:blank")), .init("title", .string(failure.title)),
                .init("status", .integer(failure.status)), .init("detail", .string(failure.detail)),
                .init("code", .string(failure.code)),
            ]).serialized() + "\n"
        output.append("HTTP/1.1 \(failure.status) \(failure.title)\r\n")
        output.append("Content-Type: application/problem+json\r\nContent-Length: \(body.utf8.count)\r\n")
        output.append("Cache-Control: no-store\r\n")
        output.append("Proxy-Status: squire; error=\(failure.proxyError)\r\n")
        if let seconds = failure.retryAfter { output.append("Retry-After: \(seconds)\r\n") }
        if let allow = failure.allow { output.append("Allow: \(allow)\r\n") }
        if failure.status == 401 { output.append("WWW-Authenticate: Bearer realm=\"squire\"\r\n") }
        end(closes: closes, confirmsKeepAlive: confirmsKeepAlive, to: output)
        if method != .head { output.append(body) }
    }

    /// The upstream's answer to a refresh, for the client that called the refresh path.
    static func append(
        _ reply: RefreshReply,
        method: MethodName,
        closes: Bool,
        confirmsKeepAlive: Bool,
        to output: ByteBuffer
    ) {
        output.append("HTTP/1.1 200 OK\r\nContent-Type: \(reply.contentType)\r\n")
        output.append("Content-Length: \(reply.body.count)\r\nCache-Control: no-store\r\nVia: 1.1 squire\r\n")
        end(closes: closes, confirmsKeepAlive: confirmsKeepAlive, to: output)
        if method != .head { output.append(reply.body) }
    }

    private static func end(closes: Bool, confirmsKeepAlive: Bool, to output: ByteBuffer) {
        if closes {
            output.append("Connection: close\r\n")
        } else if confirmsKeepAlive {
            output.append("Connection: keep-alive\r\n")
        }
        output.append("\r\n")
    }
}
