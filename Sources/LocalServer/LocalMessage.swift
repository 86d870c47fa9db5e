public import HTTP1

/// A request to a page or an API that this program serves itself.
public struct LocalRequest {
    /// Counts the server's requests from 1.
    public var number: Int
    /// As it was sent.
    public var method: String
    /// What to look the method up by: HEAD is GET whose answer goes without its body (RFC 9110 section 9.3.2), which
    /// the connection sees to.
    public var action: String { method == "HEAD" ? "GET" : method }
    /// As it was sent.
    public var target: String
    public var path: String
    public var query: String?
    /// The scheme and authority of an absolute-form target (RFC 9112 section 3.2.2), such as `http://localhost:8081`;
    /// nil for any other target.
    public var origin: String?
    /// How many bytes of body the head announces; nil for a chunked body.
    public var bodyLength: UInt64?
    public var fields: [(name: String, value: String)]
    /// Empty when a consumer took the body.
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

    /// The first field of that name, compared without regard to case.
    public subscript(name: String) -> String? {
        let wanted = name.lowercased()
        return fields.first { $0.name.lowercased() == wanted }?.value
    }

    /// Whether a web page has its browser send this, of whatever origin: browsers say so by Origin with everything that
    /// is not a mere GET, or by Sec-Fetch-Site (Fetch section 3.2, Fetch Metadata section 2.4).
    public var isFromPage: Bool {
        if joined("Origin") != nil { return true }
        return joined("Sec-Fetch-Site").map { $0 != "none" } ?? false
    }

    /// All values of that name, joined with commas (RFC 9110 section 5.3); nil without any.
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
        /// That many bytes of a repeating pattern, made while they are sent.
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

/// What serves requests. Called on the server's loop.
public protocol LocalHandler: AnyObject {
    /// Who takes the body of a request piece by piece; nil has it collected, up to `LocalServer.maxBody`.
    func bodyConsumer(for request: LocalRequest) -> ((UnsafeRawBufferPointer) -> Void)?
    /// Looks at a request before anything of its body is read. The response refuses it; nil lets it come.
    func refusal(of request: LocalRequest) -> LocalResponse?
    /// The response to what is no request that can be served. The connection ends with it.
    func response(to error: HTTP1Error) -> LocalResponse
    /// The request is complete; answer now or later, once, through `responder`.
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

/// The way back to one request's client. Keeps working, to no effect, after the client is gone or answered.
public struct LocalResponder {
    weak var connection: LocalConnection?
    /// Of the request: a response can never be taken for that of another one.
    let number: Int

    /// What became of a piece of a response.
    public enum Written: Sendable {
        /// It is on its way.
        case taken
        /// Nothing of it was taken, because the client does not read. `whenDrained` tells when there is room again.
        case full
        /// The client is gone, or the response is complete.
        case gone
    }

    /// Answers.
    public func send(_ response: LocalResponse) {
        connection?.send(response, number: number)
    }

    /// Begins an answer whose length is not known.
    public func begin(_ status: Int, fields: [(name: String, value: String)]) {
        connection?.begin(status, fields: fields, number: number)
    }

    /// Begins an answer that lasts as long as its client stays, however slowly that reads: one that has nothing more to
    /// say is taken to be gone. Calls `whenGone` once, soon, when the client is gone before the answer has ended.
    public func begin(_ status: Int, fields: [(name: String, value: String)], whenGone: @escaping () -> Void) {
        connection?.begin(status, fields: fields, whenGone: whenGone, number: number)
    }

    /// Writes a piece of what `begin` began: all of it or nothing.
    public func write(_ text: String) -> Written {
        connection?.write(text, number: number) ?? .gone
    }

    /// Bytes that the client has not taken yet.
    public var pendingBytes: Int { connection?.pendingBytes(number: number) ?? 0 }

    /// Calls `body` once, soon, when few bytes are pending or the client is gone: `write` says which. Replaces what was
    /// asked for before. Nothing is called after the server was stopped.
    public func whenDrained(_ body: @escaping () -> Void) {
        connection?.whenDrained(body, number: number)
    }

    /// Ends what `begin` began.
    public func end() {
        connection?.end(number: number)
    }

    /// Closes the connection without a word: what was begun ends in a way that the client sees.
    public func drop() {
        connection?.drop(number: number)
    }
}
