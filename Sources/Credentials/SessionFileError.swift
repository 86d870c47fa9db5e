import Platform

/// A failed operation on the session file, described for people.
public struct SessionFileError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: Equatable, Sendable {
        /// A system call failed.
        case system
        /// The file exists but is not a usable session file: somebody must move it away by hand.
        case unreadable
        /// The file is cut, and somebody wrote to it a moment ago: the rest may still come.
        case incomplete
        /// Something that is no directory stands in its directory's place: no session can be kept there.
        case noDirectory
        /// What a login brought could not be saved: it is in that file now; nil if it could not be written either.
        case unsaved(keptIn: String?)
        /// A change could not be put in the file's place: it lies complete beside it, and is in use.
        case left
        /// The file contains the session of another API, which is overwritten only on demand.
        case foreign
        /// The file contains the session of another customer, which is overwritten only on demand.
        case otherCustomer
    }

    public var description: String
    public var reason = Reason.system

    public var isUnreadable: Bool { reason == .unreadable || reason == .incomplete }

    /// True if the file contains a session that is overwritten only on demand.
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

    /// The file at `path` is cut, and being written.
    init(incomplete path: String) {
        description = "\(path) is being written by another program, and not complete yet"
        reason = .incomplete
    }

    init(_ error: SessionFileError, keptIn place: String?) {
        description = error.description
        reason = .unsaved(keptIn: place)
    }

    init(_ error: SessionFileError, _ reason: Reason) {
        description = error.description
        self.reason = reason
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

    /// The session in the file belongs to the customer `subject`.
    init(_ path: String, isOfCustomer subject: String) {
        description = "\(path) holds the session of customer \(subject)"
        reason = .otherCustomer
    }
}
