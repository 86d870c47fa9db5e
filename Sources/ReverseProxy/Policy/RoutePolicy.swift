import HTTP1

/// What a request means to the session.
public enum RouteKind: String, Sendable, BitwiseCopyable {
    /// Carries the bearer; a rejection leads to a refresh.
    case ordinary
    /// Never carries the bearer; a token in the response becomes the session's.
    case signIn = "sign-in"
    /// Carries the bearer; on success the session forgets its token.
    case signOut = "sign-out"
    /// Never carries the bearer; a rejection has no meaning.
    case anonymous
    /// The refresh itself, called by a client: served by the one refresh for everyone.
    case refresh

    /// The kind of a request on that route, when it is known whether the client's own credential goes along
    /// (`authorization: fill`): the refresh of another token is that client's business.
    func with(ownCredential: Bool) -> RouteKind { self == .refresh && ownCredential ? .ordinary : self }
}

/// Decides the kind of a request from its method and path.
///
/// A path may have several readings (see `PathReadings`). If any of them is a sign-in or anonymous path, no bearer is
/// sent: a server with that reading must not get it. Only the plainest reading makes a sign-out.
public final class RoutePolicy: Sendable {
    /// Why a request is of its kind.
    public struct Match: Sendable {
        public let kind: RouteKind
        /// Nil if the path gets no bearer only because it has too many readings.
        public let pattern: RoutePattern?
    }

    /// The patterns that apply to every reading: the refresh, then the paths without bearer.
    private let guarded: RouteTable
    private let signOut: RouteTable

    /// `upstream` and its base path tell whether a refresh by URL is one of its requests.
    public init(_ session: SessionConfiguration, upstream: Origin? = nil, basePath: String = "") {
        var guarded: [Match] = []
        if let refresh = session.refresh, let path = refresh.path(at: upstream, below: basePath) {
            let pattern = RoutePattern(method: refresh.method, exactly: path.utf8)
            // Where one request signs in and refreshes, a client's is what a list says.
            if !(session.signIn + session.anonymous).contains(where: { $0.names(pattern) }) {
                guarded.append(Match(kind: .refresh, pattern: pattern))
            }
        }
        guarded += session.signIn.map { Match(kind: .signIn, pattern: $0) }
        guarded += session.anonymous.map { Match(kind: .anonymous, pattern: $0) }
        self.guarded = RouteTable(guarded)
        signOut = RouteTable(session.signOut.map { Match(kind: .signOut, pattern: $0) })
    }

    public func kind(method: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> RouteKind {
        match(method: method, path: path)?.kind ?? .ordinary
    }

    /// The first matching pattern and its kind; nil for an ordinary request.
    public func match(method: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> Match? {
        if PathReadings.isPlain(path) { return guarded.first(method, path) ?? signOut.first(method, path) }
        guard !guarded.isEmpty || !signOut.isEmpty else { return nil }
        let readings = PathReadings(path)
        var best: (index: Int, match: Match)?
        for reading in readings.all {
            guard let index = reading.withUnsafeBytes({ guarded.firstIndex(method, $0) }) else { continue }
            if index < best?.index ?? .max { best = (index, guarded.matches[index]) }
        }
        if let best { return best.match }
        guard readings.isComplete else { return Match(kind: .anonymous, pattern: nil) }
        return PathReadings.plainest(Array(path)).withUnsafeBytes { signOut.first(method, $0) }
    }
}

extension SessionConfiguration.Refresh {
    /// The path, without a query, with which a client of this proxy would ask for the refresh; nil if another server
    /// answers it, or what is not below the base path.
    fileprivate func path(at upstream: Origin?, below basePath: String) -> Substring? {
        let path = path.prefix { $0 != "?" }
        guard let origin else { return path }
        guard let upstream, origin.isSame(as: upstream), path.hasPrefix(basePath) else { return nil }
        let rest = path.dropFirst(basePath.count)
        return rest.hasPrefix("/") ? rest : nil
    }
}

/// Patterns in their order, with data to exclude most paths quickly: every request is tested.
private struct RouteTable: Sendable {
    /// The literal beginning of one pattern, in `octets`.
    private struct Prefix: Sendable {
        var start: Int
        var count: Int
        var isWhole: Bool
    }

    let matches: [RoutePolicy.Match]
    private let prefixes: [Prefix]
    private let octets: [UInt8]

    init(_ matches: [RoutePolicy.Match]) {
        self.matches = matches
        var octets: [UInt8] = []
        prefixes = matches.map { match in
            let prefix = match.pattern?.literalPrefix ?? (octets: [], isWhole: false)
            defer { octets += prefix.octets }
            return Prefix(start: octets.count, count: prefix.octets.count, isWhole: prefix.isWhole)
        }
        self.octets = octets
    }

    var isEmpty: Bool { matches.isEmpty }

    func first(_ method: UnsafeRawBufferPointer, _ path: UnsafeRawBufferPointer) -> RoutePolicy.Match? {
        firstIndex(method, path).map { matches[$0] }
    }

    func firstIndex(_ method: UnsafeRawBufferPointer, _ path: UnsafeRawBufferPointer) -> Int? {
        for index in prefixes.indices
        where mayMatch(prefixes[index], path)
            && matches[index].pattern?.matches(method: method, path: path) == true
        {
            return index
        }
        return nil
    }

    private func mayMatch(_ prefix: Prefix, _ path: UnsafeRawBufferPointer) -> Bool {
        // A final slash has no meaning.
        let count = path.last == UInt8(ascii: "/") ? path.count - 1 : path.count
        guard prefix.isWhole ? count == prefix.count : count >= prefix.count else { return false }
        for offset in 0..<prefix.count where Octet.lowercase(path[offset]) != octets[prefix.start + offset] {
            return false
        }
        return true
    }
}
