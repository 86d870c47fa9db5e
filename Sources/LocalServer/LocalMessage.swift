public import HTTP1

/// A request for a page or an API that this program serves itself.
public struct LocalRequest {
    /// The server's requests are numbered from 1.
    public var number: Int
    /// As it was sent.
    public var method: String
    /// The method to dispatch on: HEAD counts as GET, and the connection omits the body (RFC 9110 section 9.3.2).
    public var action: String { method == "HEAD" ? "GET" : method }
    /// As it was sent.
    public var target: String
    public var path: String
    public var query: String?
    /// The scheme and authority of an absolute-form target (RFC 9112 section 3.2.2), such as `http://localhost:8081`;
    /// nil for any other target.
    public var origin: String?
    /// The number of body bytes that the head announces; nil for a chunked body.
    public var bodyLength: UInt64?
    public var fields: [(name: String, value: String)]
    /// Empty if a consumer took the body.
    public var body: [UInt8] = []

    /// `bodyLength` is 0 for a request without a body.
    public init(
        number: Int,
        method: String,
        target: String,
        path: String,
        query: String? = nil,
        origin: String? = nil,
        bodyLength: UInt64? = 0,
        fields: [(name: String, value: String)] = []
    ) {
        self.number = number
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.origin = origin
        self.bodyLength = bodyLength
        self.fields = fields
    }

    /// The first field with that name, ignoring case.
    public subscript(name: String) -> String? {
        let wanted = name.lowercased()
        return fields.first { $0.name.lowercased() == wanted }?.value
    }

    /// Whether a web page of any origin caused its browser to send this: browsers add Origin to everything but simple
    /// GETs, and Sec-Fetch-Site (Fetch section 3.2, Fetch Metadata section 2.4).
    public var isFromPage: Bool {
        if joined("Origin") != nil { return true }
        return joined("Sec-Fetch-Site").map { $0 != "none" } ?? false
    }

    /// All values of that name, joined with commas (RFC 9110 section 5.3); nil if there are none.
    public func joined(_ name: String) -> String? {
        let wanted = name.lowercased()
        let values = fields.filter { $0.name.lowercased() == wanted }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }
}

/// An answer.
public struct LocalResponse {
    public enum Body {
        case bytes([UInt8])
        /// That many bytes of a repeating pattern, generated while they are sent.
        case pattern(Int)
    }

    public var status: Int
    public var fields: [(name: String, value: String)]
    public var body: Body

    public init(_ status: Int, fields: [(name: String, value: String)] = [], body: Body = .bytes([])) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    public init(_ status: Int, contentType: String, _ text: String, fields: [(name: String, value: String)] = []) {
        self.init(status, fields: [("Content-Type", contentType)] + fields, body: .bytes(Array(text.utf8)))
    }
}

/// The handler of requests. Called on the server's loop.
public protocol LocalHandler: AnyObject {
    /// The consumer of a request's body, called with each part; nil collects the body, up to `LocalServer.maxBody`.
    func bodyConsumer(for request: LocalRequest) -> ((UnsafeRawBufferPointer) -> Void)?
    /// Checks a request before any of its body is read. A response refuses it; nil accepts it.
    func refusal(of request: LocalRequest) -> LocalResponse?
    /// The response to bytes that are not a request that can be served. The connection ends after it.
    func response(to error: HTTP1Error) -> LocalResponse
    /// The request is complete. Answer once, now or later, through `responder`.
    func serve(_ request: LocalRequest, _ responder: LocalResponder)
}

extension LocalHandler {
    public func bodyConsumer(for request: LocalRequest) -> ((UnsafeRawBufferPointer) -> Void)? { nil }

    public func refusal(of request: LocalRequest) -> LocalResponse? { nil }

    public func response(to error: HTTP1Error) -> LocalResponse {
        let status = error == .bodyTooLarge ? 413 : 400
        return LocalResponse(
            status,
            contentType: "text/plain",
            error.detail + "\n",
            fields: [("X-Content-Type-Options", "nosniff")]
        )
    }
}

/// The way back to one request's client. Its methods have no effect once the client is gone or answered.
public struct LocalResponder {
    weak var connection: LocalConnection?
    /// The number of the request, so that a response can never answer a different one.
    let number: Int

    /// What happened to a part of a response.
    public enum Written: Sendable {
        /// The client will get it.
        case taken
        /// None of it was accepted, because the client does not read. `whenDrained` tells when there is room again.
        case full
        /// The client is gone, or the response is complete.
        case gone
    }

    /// Answers.
    public func send(_ response: LocalResponse) {
        connection?.send(response, number: number)
    }

    /// Begins a response of unknown length.
    public func begin(_ status: Int, fields: [(name: String, value: String)]) {
        connection?.begin(status, fields: fields, number: number)
    }

    /// Begins a response that lasts as long as its client stays, however slowly it reads: a client that ends its side
    /// counts as gone. Calls `whenGone` once, soon, if the client goes before the response has ended.
    public func begin(_ status: Int, fields: [(name: String, value: String)], whenGone: @escaping () -> Void) {
        connection?.begin(status, fields: fields, whenGone: whenGone, number: number)
    }

    /// Writes a part of the response that `begin` started: all of it or nothing.
    public func write(_ text: String) -> Written {
        connection?.write(text, number: number) ?? .gone
    }

    /// Bytes that the client has not accepted yet.
    public var pendingBytes: Int { connection?.pendingBytes(number: number) ?? 0 }

    /// Calls `body` once, soon, when few bytes are pending or the client is gone; the next `write` tells which.
    /// Replaces an earlier `body`. Nothing is called after the server was stopped.
    public func whenDrained(_ body: @escaping () -> Void) {
        connection?.whenDrained(body, number: number)
    }

    /// Ends the response that `begin` started.
    public func end() {
        connection?.end(number: number)
    }

    /// Closes the connection without a word: the client sees that the response is incomplete.
    public func drop() {
        connection?.drop(number: number)
    }
}
