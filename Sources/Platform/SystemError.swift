/// A failed system call: what was attempted, and `errno`.
public struct SystemError: Error, CustomStringConvertible, Sendable {
    public var action: String
    public var code: Int32

    public init(_ action: String, code: Int32 = errno) {
        self.action = action
        self.code = code
    }

    /// The C library's sentence for the code.
    public var reason: String { unsafe String(cString: strerror(code)) }

    public var description: String { "\(action): \(reason)" }
}
