/// What kind of request it is to the session.
public enum RouteKind: String, Sendable {
    /// Carries the bearer; a refusal refreshes.
    case ordinary
    /// Never carries the bearer; a token in the answer becomes the session's.
    case signIn = "sign-in"
    /// Carries the bearer; when it succeeds the session's token is forgotten.
    case signOut = "sign-out"
    /// Never carries the bearer; a refusal means nothing.
    case anonymous
    /// The refresh itself, called by a client: served through the single flight.
    case refresh
}

/// Decides the kind of a request from its method and path.
///
/// A path may be read in several ways (see `PathReadings`). If any of them is a sign-in or anonymous path, the bearer stays here: whoever
/// reads it so must not get it. A sign-out is what its plainest reading is.
public final class RoutePolicy: Sendable {
    /// Why a request is of its kind.
    public struct Match: Sendable {
        public let kind: RouteKind
        /// Nil if the path has so many readings that it is given no bearer for that alone.
        public let pattern: RoutePattern?
    }

    /// What decides by any reading: the refresh, then what goes without the bearer.
    private let guarded: [Match]
    private let signOut: [RoutePattern]

    public init(_ session: SessionConfiguration) {
        var guarded: [Match] = []
        if let refresh = session.refresh {
            let path = refresh.path.utf8.prefix { $0 != UInt8(ascii: "?") }
            let pattern = RoutePattern(method: refresh.method, exactly: path)
            guarded.append(Match(kind: .refresh, pattern: pattern))
        }
        guarded += session.signIn.map { Match(kind: .signIn, pattern: $0) }
        guarded += session.anonymous.map { Match(kind: .anonymous, pattern: $0) }
        self.guarded = guarded
        signOut = session.signOut
    }

    public func kind(method: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> RouteKind {
        match(method: method, path: path)?.kind ?? .ordinary
    }

    /// The first pattern that matches, and its kind; nil for an ordinary request.
    public func match(method: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> Match? {
        if PathReadings.isPlain(path) { return guarded(method, path) ?? signOut(method, path) }
        guard !guarded.isEmpty || !signOut.isEmpty else { return nil }
        let readings = PathReadings(path)
        for match in guarded {
            for reading in readings.all
            where reading.withUnsafeBytes({ match.pattern?.matches(method: method, path: $0) == true }) {
                return match
            }
        }
        guard readings.isComplete else { return Match(kind: .anonymous, pattern: nil) }
        return PathReadings.plainest(Array(path)).withUnsafeBytes { signOut(method, $0) }
    }

    private func guarded(_ method: UnsafeRawBufferPointer, _ path: UnsafeRawBufferPointer) -> Match? {
        for match in guarded where match.pattern?.matches(method: method, path: path) == true { return match }
        return nil
    }

    private func signOut(_ method: UnsafeRawBufferPointer, _ path: UnsafeRawBufferPointer) -> Match? {
        for pattern in signOut where pattern.matches(method: method, path: path) {
            return Match(kind: .signOut, pattern: pattern)
        }
        return nil
    }
}
