import Platform

/// An operation on the session file that failed, described for people.
public struct SessionFileError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: Equatable, Sendable {
        /// The system did not let it happen.
        case system
        /// The file exists but is not a usable session file: it must be moved away by hand.
        case unreadable
        /// Where its directory should be, there is something else: no session can lie there.
        case noDirectory
        /// The file holds the session of another API, which is not overwritten unasked.
        case foreign
        /// The file holds the session of another customer, which is not overwritten unasked.
        case otherCustomer
    }

    public var description: String
    public var reason = Reason.system

    public var isUnreadable: Bool { reason == .unreadable }

    /// True if the file holds a session that is not overwritten unasked.
    public var isRefusal: Bool { reason == .foreign || reason == .otherCustomer }

    init(_ action: String, _ path: String, code: Int32 = errno) {
        description = unsafe "cannot \(action) \(path): \(String(cString: strerror(code)))"
    }

    init(_ error: SystemError) {
        description = error.description
    }

    init(_ description: String, isUnreadable: Bool = false) {
        self.description = description
        reason = isUnreadable ? .unreadable : .system
    }

    /// No file can lie at `path`: `place`, a part of it, is no directory.
    init(_ path: String, hasNoDirectoryAt place: String) {
        description =
            "cannot use \(path): \(place) is not a directory. Move it away, or name another place in session.file "
            + "(else in XDG_STATE_HOME)"
        reason = .noDirectory
    }

    /// The session in the file is for the API at `origin`.
    init(_ path: String, isOf origin: String) {
        description = "\(path) holds a session for \(origin)"
        reason = .foreign
    }

    /// The session in the file is the customer's of that name.
    init(_ path: String, isOfCustomer subject: String) {
        description = "\(path) holds the session of customer \(subject)"
        reason = .otherCustomer
    }
}
