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
public final class RoutePolicy: Sendable {
    private let routes: [(kind: RouteKind, pattern: RoutePattern)]

    public init(_ session: SessionConfiguration) {
        var routes: [(kind: RouteKind, pattern: RoutePattern)] = []
        if let refresh = session.refresh {
            let path = refresh.path.prefix { $0 != "?" }
            RoutePattern("\(refresh.method) \(path)").map { routes.append((.refresh, $0)) }
        }
        routes += session.signIn.map { (.signIn, $0) }
        routes += session.signOut.map { (.signOut, $0) }
        routes += session.anonymous.map { (.anonymous, $0) }
        self.routes = routes
    }

    public func kind(method: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> RouteKind {
        match(method: method, path: path)?.kind ?? .ordinary
    }

    /// The first pattern that matches, and its kind.
    public func match(
        method: UnsafeRawBufferPointer,
        path: UnsafeRawBufferPointer
    ) -> (kind: RouteKind, pattern: RoutePattern)? {
        guard !routes.isEmpty else { return nil }
        if PlainPath.isPlain(path) { return find(method, path) }
        return PlainPath.plain(path).withUnsafeBytes { find(method, $0) }
    }

    private func find(
        _ method: UnsafeRawBufferPointer,
        _ path: UnsafeRawBufferPointer
    ) -> (kind: RouteKind, pattern: RoutePattern)? {
        for route in routes where route.pattern.matches(method: method, path: path) { return route }
        return nil
    }
}
