import Credentials
import EventIO
import HTTP1

/// Writes answers of Squire's own.
struct OwnAnswer {
    /// Of the request it answers.
    var method: MethodName
    /// The value of Date.
    var date: String
    /// The connection ends after it.
    var closes: Bool
    /// A page of a configured origin asks: it may read the answer.
    var pageOrigin: [UInt8]?

    /// `application/problem+json` (RFC 9457): fixed text, nothing of the request.
    func append(_ failure: Failure, to output: ByteBuffer) {
        let body =
            JSONValue.object([
                .init("type", .string("about:blank")), .init("title", .string(failure.title)),
                .init("status", .integer(failure.status)), .init("detail", .string(failure.detail)),
                .init("code", .string(failure.code)),
            ]).serialized() + "\n"
        begin(failure.status, failure.title, to: output)
        output.append("Content-Type: application/problem+json\r\nContent-Length: \(body.utf8.count)\r\n")
        output.append("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n")
        output.append("Proxy-Status: squire; error=\(failure.proxyError)\r\n")
        if let seconds = failure.retryAfter { output.append("Retry-After: \(seconds)\r\n") }
        if failure.status == 405 { output.append(Self.allow) }
        if failure.status == 401 { output.append("WWW-Authenticate: Bearer realm=\"squire\"\r\n") }
        end(to: output)
        if method != .head { output.append(body) }
    }

    /// The upstream's answer to a refresh, for the client that called the refresh path.
    func append(_ reply: RefreshResponse, to output: ByteBuffer) {
        begin(200, "OK", to: output)
        output.append("Content-Type: \(reply.contentType)\r\nContent-Length: \(reply.body.count)\r\n")
        output.append("Cache-Control: no-store\r\nVia: 1.1 squire\r\n")
        end(to: output)
        if method != .head { output.append(reply.body) }
    }

    /// To OPTIONS that may go no further (RFC 9110 section 7.6.2).
    func appendOptions(to output: ByteBuffer) {
        begin(200, "OK", to: output)
        output.append(Self.allow)
        output.append("Content-Length: 0\r\n")
        end(to: output)
    }

    /// To a browser's question before a page's request (Fetch section 4.8): yes to what it asks for. `bytes` are what `head` was parsed
    /// from.
    func appendPreflight(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, to output: ByteBuffer) {
        begin(204, "No Content", to: output)
        for (id, name) in [
            (FieldName.accessControlRequestMethod, "Access-Control-Allow-Methods: " as StaticString),
            (.accessControlRequestHeaders, "Access-Control-Allow-Headers: "),
        ] {
            guard let field = head.first(id) else { continue }
            output.append(name)
            output.append(UnsafeRawBufferPointer(rebasing: bytes[field.value.range]))
            output.append("\r\n")
        }
        output.append("Access-Control-Max-Age: 600\r\n")
        output.append("Vary: Access-Control-Request-Method, Access-Control-Request-Headers\r\n")
        end(to: output)
    }

    private static let allow: StaticString = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"

    private func begin(_ status: Int, _ reason: String, to output: ByteBuffer) {
        output.append("HTTP/1.1 \(status) \(reason)\r\nDate: \(date)\r\n")
    }

    private func end(to output: ByteBuffer) {
        if let pageOrigin { PageAccess.append(origin: pageOrigin, to: output) }
        if closes { output.append("Connection: close\r\n") }
        output.append("\r\n")
    }
}

/// The fields that let a page of a configured origin read an answer (Fetch section 3.3).
enum PageAccess {
    static func append(origin: [UInt8], to output: ByteBuffer) {
        output.append("Access-Control-Allow-Origin: ")
        output.append(origin)
        output.append("\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n")
    }
}
