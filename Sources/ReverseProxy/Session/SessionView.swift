import Credentials
import EventIO

/// What one worker knows of a session: the credential as requests carry it, and which routes accepted it lately.
///
/// *Threading*: belongs to its worker's loop.
final class SessionView {
    /// The current credential. An object: each request asks for it.
    final class Current {
        let credential: Credential
        /// The whole field line.
        let line: [UInt8]
        /// On the session's clock.
        let until: Int64
        /// On `MonotonicClock`: until then a rejection is not caused by expiry.
        let freshUntil: UInt64

        init(_ credential: Credential, until: Int64, freshUntil: UInt64) {
            self.credential = credential
            line = SessionView.line(credential.token)
            self.until = until
            self.freshUntil = freshUntil
        }
    }

    let session: Session
    private let clock: any CredentialClock
    /// What no log shows: the credentials that were current lately among it.
    private(set) var secrets: KnownSecrets
    private var current: Current?
    /// Hashes of routes that recently accepted the current credential.
    private var acceptedRoutes = [UInt64](repeating: 0, count: SessionView.maximumRoutes)
    private var lastRecheck: UInt64 = 0

    /// How often requests look whether another process replaced the session file.
    private static let recheckNanoseconds: UInt64 = 500_000_000
    /// A rejection this soon after issue is not caused by expiry.
    private static let freshFor: UInt64 = 30_000_000_000
    private static let maximumRoutes = 64

    init(_ session: Session, clock: any CredentialClock, secrets: KnownSecrets) {
        self.session = session
        self.clock = clock
        self.secrets = secrets
    }

    /// The current credential if it can be used without asking; a few comparisons in the common case.
    func credential(now: UInt64) -> Current? {
        if now &- lastRecheck > Self.recheckNanoseconds {
            lastRecheck = now
            session.recheckFile()
        }
        if let current, current.credential.generation == session.usableGeneration {
            return current.until == .max || clock.elapsed() < current.until ? current : nil
        }
        guard let (credential, until) = session.current() else {
            current = nil
            return nil
        }
        let fresh = Current(credential, until: until, freshUntil: now &+ Self.freshFor)
        current = fresh
        secrets = secrets.remembering(Array(credential.token.value.utf8))
        return fresh
    }

    /// The field line of a credential: rendered once for all who waited for it.
    func line(of credential: Credential, now: UInt64) -> [UInt8] {
        if let current = self.credential(now: now), current.credential.generation == credential.generation {
            return current.line
        }
        return Self.line(credential.token)
    }

    private static func line(_ token: Token) -> [UInt8] {
        Array("Authorization: Bearer \(token.value)\r\n".utf8)
    }

    /// When the credential of that generation began to be valid by its issuer's clock, seconds since 1970.
    func notBefore(generation: Generation) -> Int? {
        if let current, current.credential.generation == generation {
            return current.credential.token.claims?.notBefore
        }
        guard let (credential, _) = session.current(), credential.generation == generation else { return nil }
        return credential.token.claims?.notBefore
    }

    // MARK: Routes that accept

    /// Remembers that a route accepts credentials, while the credential is fresh: an hour later nobody asks.
    @inline(__always)
    func recordAcceptance(now: UInt64, route: @autoclosure () -> UInt64) {
        if let current, now < current.freshUntil {
            let hash = route()
            acceptedRoutes[Int(hash % UInt64(Self.maximumRoutes))] = hash
        }
        if session.isStormy { session.accepted(path: route()) }
    }

    /// The request that led to a refresh was rejected all the same. A route that accepted a credential a moment ago is
    /// not one that always rejects: its credential may have died at once, by other hands.
    func refreshDidNotHelp(_ generation: Generation, route: UInt64) {
        let index = Int(route % UInt64(Self.maximumRoutes))
        if acceptedRoutes[index] == route {
            acceptedRoutes[index] = 0
        } else {
            session.refreshDidNotHelp(generation, path: route)
        }
    }
}
