import Credentials
import EventIO
import HTTP1

/// Writes responses of Squire's own.
struct OwnResponse {
    /// The method of the answered request.
    var method: MethodName
    /// The value of Date.
    var date: String
    /// The connection ends after the response.
    var closes: Bool
    /// The configured origin of the page that sent the request and may read the response.
    var pageOrigin: [UInt8]?

    /// Reports a problem: fixed text that quotes nothing from the request. Returns the length of the body.
    func append(_ problem: Problem, to output: ByteBuffer) -> Int {
        let writer = ProblemWriter(problem)
        begin(problem.status, to: output)
        output.append("Content-Type: ")
        output.append(ProblemWriter.contentType)
        output.append("\r\nContent-Length: ")
        output.append(decimal: writer.count)
        output.append("\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n")
        output.append(Self.contentPolicy)
        output.append("Proxy-Status: squire; error=")
        output.append(problem.proxyError.rawValue)
        if let nextHop = problem.nextHop { Self.append(nextHop, to: output) }
        output.append("\r\n")
        if let seconds = problem.retryAfter {
            output.append("Retry-After: ")
            output.append(decimal: seconds)
            output.append("\r\n")
        }
        if problem.status == 405 { output.append(Self.allow) }
        if problem.status == 401 { output.append("WWW-Authenticate: Bearer realm=\"squire\"\r\n") }
        end(to: output)
        if method == .head { return 0 }
        writer.append(to: output)
        return writer.count
    }

    private static func append(_ nextHop: Problem.NextHop, to output: ByteBuffer) {
        output.append("; next-hop=\"")
        // A character that a quoted string cannot contain (RFC 8941 section 3.3.3) is not part of a host name either.
        for byte in nextHop.name.utf8 where (0x20...0x7E).contains(byte) && byte != 0x22 && byte != 0x5C {
            output.append(byte)
        }
        output.append("\"")
        guard let status = nextHop.status else { return }
        output.append("; received-status=")
        output.append(decimal: status)
    }

    /// The upstream's response to a refresh, for a client that called the refresh path.
    func append(_ reply: RefreshResponse, to output: ByteBuffer) {
        begin(200, to: output)
        // An invalid field value says nothing about the body's type.
        if !reply.contentType.isEmpty, reply.contentType.utf8.allSatisfy(Octet.isFieldContent) {
            output.append("Content-Type: ")
            output.append(reply.contentType)
            output.append("\r\n")
        }
        output.append("Content-Length: ")
        output.append(decimal: reply.body.count)
        output.append("\r\nCache-Control: no-store\r\n")
        output.append(Pseudonym.ofThisProcess.line(receivedAs: 1))
        end(to: output)
        if method != .head { output.append(reply.body) }
    }

    /// Answers an OPTIONS request that must not be forwarded further (RFC 9110 section 7.6.2).
    func appendOptions(to output: ByteBuffer) {
        begin(200, to: output)
        output.append(Self.allow)
        output.append("Content-Length: 0\r\n")
        end(to: output)
    }

    /// Answers a browser's preflight request (Fetch section 4.8): allows what it asks for. `bytes` are what `head` was
    /// parsed from.
    func appendPreflight(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, to output: ByteBuffer) {
        begin(204, to: output)
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

    /// A browser that a page sent here shows the response as a page of this origin. Without this policy it would then
    /// ask for /favicon.ico, which looks like a request from Squire's own page (CSP section 6.1, HTML section 7.1.5).
    private static let contentPolicy: StaticString =
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; sandbox\r\n"
    private static let allow: StaticString = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"

    private func begin(_ status: Int, to output: ByteBuffer) {
        output.append("HTTP/1.1 ")
        output.append(decimal: status)
        output.append(" ")
        output.append(StatusPhrase.of(status))
        output.append("\r\nDate: ")
        output.append(date)
        output.append("\r\n")
    }

    private func end(to output: ByteBuffer) {
        if let pageOrigin { PageAccess.append(origin: pageOrigin, to: output) }
        if closes { output.append("Connection: close\r\n") }
        output.append("\r\n")
    }
}

/// The fields that let a page of a configured origin read a response (Fetch section 3.3).
enum PageAccess {
    static func append(origin: [UInt8], to output: ByteBuffer) {
        output.append("Access-Control-Allow-Origin: ")
        output.append(origin)
        output.append("\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n")
    }
}
