import Platform

/// An operation on the session file that failed, described for people.
public struct SessionFileError: Error, Equatable, Sendable, CustomStringConvertible {
    public var description: String
    /// The file exists but is not a usable session file: it must be moved away by hand.
    public var isUnreadable = false

    init(_ action: String, _ path: String, code: Int32 = errno) {
        description = "cannot \(action) \(path): \(String(cString: strerror(code)))"
    }

    init(_ description: String, isUnreadable: Bool = false) {
        self.description = description
        self.isUnreadable = isUnreadable
    }
}
