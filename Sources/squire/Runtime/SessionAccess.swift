import Credentials
import ReverseProxy
import Settings
import Threads

/// The session as a command uses it: opened, asked, waited for. Works beside a running `squire run` on the same file.
struct SessionAccess {
    let loaded: LoadedConfiguration
    let cache: Session
    /// What the session's thread said about a failure.
    private let reason = Guarded<String?>(nil)

    init(_ loaded: LoadedConfiguration) throws {
        self.loaded = loaded
        let reason = reason
        do throws(SessionFileError) {
            cache = try Session(
                file: SessionFile(path: loaded.sessionFile),
                source: RecipeSource(loaded.configuration),
                margin: loaded.configuration.session.margin,
                upstream: loaded.configuration.upstream.description,
                emit: { event in
                    switch event {
                    case .refreshFailed(_, let text, _): reason.with { $0 = text }
                    case .notSaved(let text):
                        Output.error("squire: the new token is in use but NOT SAVED, and the old one is dead: \(text)")
                    case .refreshed, .unchanged, .adopted, .recovered, .loggedIn, .loggedOut, .saved, .fileUnreadable:
                        break
                    }
                }
            )
        } catch {
            throw ExitFailure.malformed("squire: \(error.description)")
        }
    }

    /// The current token, expired or not.
    func token() throws -> Token {
        if let other = cache.status.foreignUpstream {
            throw ExitFailure.loginNeeded(
                "squire: the session in \(loaded.sessionFile) is for \(other). Run: squire login, or name another session.file"
            )
        }
        guard let file = try? SessionFile(path: loaded.sessionFile).load(), let token = file.record.token else {
            throw ExitFailure.loginNeeded("squire: there is no session in \(loaded.sessionFile). Run: squire login")
        }
        return token
    }

    /// Refreshes, or adopts what another process refreshed meanwhile.
    func refresh(_ cause: RefreshCause) throws -> Token {
        let latch = Latch<Result<RefreshResponse, CredentialFailure>>()
        cache.refreshNow(cause: cause) { latch.set($0) }
        switch latch.wait() {
        case .success(let reply): return reply.token
        case .failure(let failure): throw ExitFailure(failure, reason: reason.with { $0 })
        }
    }

    /// `lifetime` is seconds, where the API's answer says so beside the token.
    func adopt(_ token: Token, source: SessionRecord.Source, lifetime: Int? = nil) throws {
        let latch = Latch<Result<Void, SessionFileError>>()
        cache.adopt(token, source: source, lifetime: lifetime) { latch.set($0) }
        try Self.check(latch.wait())
    }

    func forget() throws {
        let latch = Latch<Result<Void, SessionFileError>>()
        cache.forget { latch.set($0) }
        try Self.check(latch.wait())
    }

    private static func check(_ result: Result<Void, SessionFileError>) throws {
        if case .failure(let error) = result { throw ExitFailure.notWritable("squire: \(error.description)") }
    }
}

extension RoutePattern {
    /// The path, when the pattern is one `POST` to one path.
    var postPath: String? {
        guard description.hasPrefix("POST /"), !description.contains("*") else { return nil }
        return String(description.dropFirst(5))
    }
}
