/// Why bytes are not a message that Squire can forward.
public enum HTTP1Error: Error, Equatable, Sendable {
    /// Not HTTP, ambiguous, or an attempt to smuggle; the text says what is wrong and quotes nothing.
    case malformed(StaticString)
    case headTooLarge
    case tooManyFields
    case targetTooLong
    case unsupportedVersion
    /// The body is announced as longer than `HeadLimits.maxBody`.
    case bodyTooLarge
    /// `Expect` says something other than `100-continue`.
    case unknownExpectation
    /// The bytes begin a TLS handshake.
    case speaksTLS
    /// The bytes begin a TLS alert, where a response to plain HTTP was expected.
    case answersTLS
    /// The bytes begin an HTTP/2 connection.
    case speaksHTTP2

    public static func == (left: HTTP1Error, right: HTTP1Error) -> Bool { left.detail == right.detail }

    /// One sentence for people.
    public var detail: String {
        switch self {
        case .malformed(let text): "\(text)"
        case .headTooLarge: "the head is larger than the limit"
        case .tooManyFields: "the head has more fields than the limit"
        case .targetTooLong: "the request target is longer than the limit"
        case .bodyTooLarge: "the body is larger than any that Squire forwards"
        case .unknownExpectation: "the only supported expectation is 100-continue"
        case .speaksTLS: "this port speaks plain HTTP, and a client speaks TLS here: use http:// instead of https://"
        case .answersTLS: "the upstream speaks TLS there, so upstream must begin with https://"
        case .speaksHTTP2:
            "this port speaks HTTP/1.1, and a client speaks HTTP/2 here: use HTTP/1.1, with curl by leaving out "
                + "--http2-prior-knowledge"
        case .unsupportedVersion: "only HTTP/1.0 and HTTP/1.1 are supported"
        }
    }
}

/// The limits of a message head.
public struct HeadLimits: Sendable, Equatable {
    /// Bytes, from the start line to the empty line.
    public var head: Int
    public var fields: Int
    /// Bytes of the request target.
    public var target: Int

    /// The longest body that a request may announce, in bytes: a pebibyte. No real client sends more, so there is no
    /// point in waiting for it.
    public static let maxBody: UInt64 = 1 << 50

    public init(head: Int = 64 * 1024, fields: Int = 128, target: Int = 32 * 1024) {
        self.head = head
        self.fields = fields
        self.target = target
    }
}

/// How far parsing got.
public enum ParseProgress: Equatable, Sendable {
    case incomplete
    /// The head is complete and this many bytes long.
    case complete(Int)
    case failed(HTTP1Error)
}
