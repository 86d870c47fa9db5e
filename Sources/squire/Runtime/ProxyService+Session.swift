import Credentials
import Inspector
import Logging
import ReverseProxy
import Settings
import SharedSession
import Threads
import TokenSources

/// Opens the session of a proxy.
extension ProxyService {
    static func makeSession(
        _ loaded: LoadedConfiguration,
        _ logging: Logging,
        _ refreshes: RefreshCounts,
        _ tokens: (generations: GenerationBook, numbers: GenerationNumbers),
        _ changed: Guarded<(@Sendable () -> Void)?>,
        _ group: SessionGroup,
        keepsSession: Bool
    ) throws -> Session {
        let messages = logging.messages
        let sharing = try keepsSession ? makeSharing(loaded, messages) : nil
        do throws(SessionFileError) {
            let logger = logging.logger()
            let source = ConfiguredSource.make(loaded) {
                SessionLog.log($0, to: messages)
            } remark: {
                logger.notice("\(ControlCharacters.escaped($0))")
            }
            let session = try Session(
                file: keepsSession ? loaded.keptFile : nil,
                source: source,
                policy: loaded.configuration.session.policy,
                binding: loaded.binding,
                login: loaded.lines.login,
                sharing: sharing,
                numbers: tokens.numbers,
                group: group,
                emit: { event in
                    refreshes.record(event)
                    tokens.generations.record(event)
                    SessionLog.log(event, to: messages, login: loaded.lines.login)
                    changed.with { $0 }?()
                },
                tell: { tokens.generations.hear($0) }
            )
            start(session, source)
            return session
        } catch {
            throw ExitFailure(error)
        }
    }

    /// Nil if no session is shared.
    private static func makeSharing(
        _ loaded: LoadedConfiguration,
        _ messages: MessageLog
    ) throws -> SharedRunner? {
        do throws(ConfigurationError) {
            return try SharedEngine(loaded)?.runner(loaded) { SharedLog.log($0, to: messages) }
        } catch {
            throw Loading.failure(error)
        }
    }

    /// Starts the work of a session in a long-running program.
    private static func start(_ session: Session, _ source: (any TokenSource)?) {
        session.watchFile()
        session.share()
        session.start()
        (source as? OAuthSource)?.prepare()
        (source as? TokenFileSource)?.watch(interval: TestTimes.tokenFileInterval) { [weak session] in
            session?.sourceChanged()
        }
        session.keepAlive()
    }
}
