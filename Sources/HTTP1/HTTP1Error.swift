/// Why bytes are not a message that can be passed on.
package enum HTTP1Error: Error, Equatable, Sendable {
    /// Not HTTP, ambiguous, or an attempt to smuggle; the text says what is wrong and quotes nothing.
    case malformed(StaticString)
    case headTooLarge
    case tooManyFields
    case targetTooLong
    case unsupportedVersion

    package static func == (left: HTTP1Error, right: HTTP1Error) -> Bool { left.detail == right.detail }

    /// One sentence for people.
    package var detail: String {
        switch self {
        case .malformed(let text): "\(text)"
        case .headTooLarge: "the head is larger than the limit"
        case .tooManyFields: "the head has more fields than the limit"
        case .targetTooLong: "the request target is longer than the limit"
        case .unsupportedVersion: "only HTTP/1.0 and HTTP/1.1 are spoken here"
        }
    }
}

/// What a head may be at most.
package struct HeadLimits: Sendable, Equatable {
    /// Bytes, from the start line to the empty line.
    package var head: Int
    package var fields: Int
    /// Bytes of the request target.
    package var target: Int

    package init(head: Int = 64 * 1024, fields: Int = 128, target: Int = 32 * 1024) {
        self.head = head
        self.fields = fields
        self.target = target
    }
}

/// How far parsing got.
package enum ParseProgress: Equatable, Sendable {
    case incomplete
    /// The head is complete and this many bytes long.
    case complete(Int)
    case failed(HTTP1Error)
}
