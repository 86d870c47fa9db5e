import Credentials
import EventIO

/// One worker's view of the session: the credential in the form for requests.
///
/// *Threading*: belongs to its worker's loop.
final class SessionView {
    /// The current credential. A class, because each request reads it.
    final class Current {
        let credential: Credential
        /// The whole field line.
        let line: [UInt8]
        /// By the session's clock.
        let until: Int64

        init(_ credential: Credential, until: Int64, line: [UInt8]) {
            self.credential = credential
            self.line = line
            self.until = until
        }
    }

    private let session: Session
    private let application: CredentialApplication
    private let clock: any CredentialClock
    /// The secrets that no log shows, including current and recent credentials.
    private(set) var secrets: KnownSecrets
    private var current: Current?
    private var lastRecheck: UInt64 = 0

    /// How often requests check whether another process replaced the session file.
    private static let recheckNanoseconds: UInt64 = 500_000_000

    init(
        _ session: Session,
        application: CredentialApplication,
        clock: any CredentialClock,
        secrets: KnownSecrets
    ) {
        self.session = session
        self.application = application
        self.clock = clock
        self.secrets = secrets
    }

    /// The current credential if requests may use it without asking the session; a few comparisons in the common case.
    func credential(now: UInt64) -> Current? {
        if now &- lastRecheck > Self.recheckNanoseconds {
            lastRecheck = now
            session.recheckFile()
        }
        if let current, current.credential.generation == session.usableGeneration,
            current.until == .max || clock.elapsed() < current.until
        {
            return current
        }
        guard let (credential, until) = session.current() else {
            current = nil
            return nil
        }
        let fresh = Current(credential, until: until, line: application.line(credential.token))
        current = fresh
        for token in [session.refreshToken, credential.token].compactMap(\.self) {
            secrets = secrets.remembering(Array(token.value.utf8))
        }
        return fresh
    }

    /// The field line of a credential: rendered once for all requests that waited for it.
    func line(of credential: Credential, now: UInt64) -> [UInt8] {
        if let current = self.credential(now: now), current.credential.generation == credential.generation {
            return current.line
        }
        return application.line(credential.token)
    }

    /// When the credential of that generation became valid by its issuer's clock, in seconds since 1970.
    func notBefore(generation: Generation) -> Int? {
        if let current, current.credential.generation == generation {
            return current.credential.token.claims?.notBefore
        }
        guard let (credential, _) = session.current(), credential.generation == generation else { return nil }
        return credential.token.claims?.notBefore
    }
}
