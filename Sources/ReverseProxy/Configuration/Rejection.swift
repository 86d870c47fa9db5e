import Support

extension SessionConfiguration {
    /// What counts as "token rejected".
    public struct Rejection: Sendable, Equatable {
        public var status: Int
        /// The `error` that `WWW-Authenticate` must name (RFC 6750 section 3.1), such as `invalid_token`; nil for any
        /// or none.
        public var challenge: String?
        /// A JSON Pointer into the answer and what it must have there; nil when the head alone says it.
        public var body: Body?

        public struct Body: Sendable, Equatable {
            public var pointer: String
            /// Any of these: a string is the same text; `true` and `false` are themselves; a number has the same value.
            public var equals: [String]

            public init(pointer: String, equals: [String]) {
                self.pointer = pointer
                self.equals = equals
            }

            public init(pointer: String, equals: String) {
                self.init(pointer: pointer, equals: [equals])
            }

            /// Whether the value that the pointer leads to is one of them.
            func isMet(by body: JSONValue?) -> Bool {
                switch body?.value(at: pointer) {
                case .string(let text): equals.contains(text)
                case .bool(let value): equals.contains(String(value))
                case .number(let text):
                    equals.contains(text)
                        || DecimalNumber(text.utf8).map { number in
                            equals.contains { DecimalNumber($0.utf8) == number }
                        } ?? false
                case .null, .array, .object, nil: false
                }
            }
        }

        public init(status: Int, challenge: String? = nil, body: Body? = nil) {
            self.status = status
            self.challenge = challenge
            self.body = body
        }
    }
}
