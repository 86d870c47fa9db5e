import Support

extension SessionConfiguration {
    /// The responses that mean "token rejected".
    public struct Rejection: Sendable, Equatable {
        public var status: Int
        /// The required `error` of a `WWW-Authenticate` challenge (RFC 6750 section 3.1), such as `invalid_token`; nil
        /// accepts any or none.
        public var challenge: String?
        /// A JSON Pointer into the answer and the required value there; nil if the head alone decides.
        public var body: Body?

        public struct Body: Sendable, Equatable {
            public var pointer: String
            /// The accepted values: a string equals the same text; `true` and `false` equal themselves; a number equals
            /// one of the same value.
            public var equals: [String]

            public init(pointer: String, equals: [String]) {
                self.pointer = pointer
                self.equals = equals
            }

            public init(pointer: String, equals: String) {
                self.init(pointer: pointer, equals: [equals])
            }

            /// Whether the pointer leads to one of the values.
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
