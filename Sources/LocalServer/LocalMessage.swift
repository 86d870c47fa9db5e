/// A request to a page or an API that this program serves itself.
package struct LocalRequest {
    /// Counts the server's requests from 1.
    package var number: Int
    package var method: String
    /// As it was sent.
    package var target: String
    package var path: String
    package var query: String?
    package var fields: [(name: String, value: String)]
    /// Empty when a consumer took the body.
    package var body: [UInt8] = []

    /// The first field of that name, compared without regard to case.
    package subscript(name: String) -> String? {
        let wanted = name.lowercased()
        return fields.first { $0.name.lowercased() == wanted }?.value
    }

    /// All values of that name, joined with commas (RFC 9110 section 5.3); nil without any.
    package func joined(_ name: String) -> String? {
        let wanted = name.lowercased()
        let values = fields.filter { $0.name.lowercased() == wanted }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }
}

/// An answer.
package struct LocalResponse {
    package enum Body {
        case bytes([UInt8])
        /// That many bytes of a repeating pattern, made while they are sent.
        case pattern(Int)
    }

    package var status: Int
    package var fields: [(name: String, value: String)]
    package var body: Body

    package init(_ status: Int, fields: [(name: String, value: String)] = [], body: Body = .bytes([])) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    package init(_ status: Int, contentType: String, _ text: String, fields: [(name: String, value: String)] = []) {
        self.init(status, fields: [("Content-Type", contentType)] + fields, body: .bytes(Array(text.utf8)))
    }
}

/// What serves requests. Called on the server's loop.
package protocol LocalHandler: AnyObject {
    /// Who takes the body of a request piece by piece; nil has it collected, up to `LocalServer.maxBody`.
    func bodyConsumer(for request: LocalRequest) -> ((UnsafeRawBufferPointer) -> Void)?
    /// The request is complete; answer now or later, once, through `responder`.
    func serve(_ request: LocalRequest, _ responder: LocalResponder)
}

extension LocalHandler {
    package func bodyConsumer(for request: LocalRequest) -> ((UnsafeRawBufferPointer) -> Void)? { nil }
}

/// The way back to one client. Keeps working, to no effect, after the client is gone.
package struct LocalResponder {
    weak var connection: LocalConnection?
    let isHead: Bool

    /// Answers.
    package func send(_ response: LocalResponse) {
        connection?.send(response, isHead: isHead)
    }

    /// Begins an answer whose length is not known.
    package func begin(_ status: Int, fields: [(name: String, value: String)]) {
        connection?.begin(status, fields: fields)
    }

    /// One chunk; false when the client is gone.
    @discardableResult
    package func write(_ text: String) -> Bool {
        connection?.write(chunk: text) ?? false
    }

    /// Ends what `begin` began.
    package func end() {
        connection?.endChunks()
    }

    /// Closes the connection without a word.
    package func drop() {
        connection?.close()
    }
}
