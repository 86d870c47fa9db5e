import Credentials
import EventIO
import Inspector
import Logging
import Platform
import ReverseProxy
import Settings
import SharedSession
import Synchronization
import Threads
import TokenSources

/// One running proxy with its session and its inspector.
final class ProxyService {
    let current: Current
    let server: ProxyServer
    /// What the inspector shows of exchanges.
    let recordings: Recordings
    /// Nil with `inspector: off`.
    var inspector: Inspecting?
    let refreshes = RefreshCounts()
    let generations = GenerationBook()
    /// Go on when a reload opens another session.
    let numbers = GenerationNumbers()
    let logging: Logging
    private let proxies: Int
    /// Serves the command that runs beside it, and nobody else: no key is asked for.
    let isPrivate: Bool
    let keepsSession: Bool
    /// What runs: the configuration that was read last, but for what a restart alone can change.
    var loaded: LoadedConfiguration
    let reloads = ReloadDesk()
    /// Whom to tell of a reload; nil if no service manager wants to know.
    var report: ServiceReport?
    /// The last reload changed nothing, because of mistakes.
    var isReloadRefused = false
    /// The end found a token that its file does not hold.
    private(set) var endsUnsaved = false
    /// Called when something happened to a session, on any thread.
    let sessionChanged = Guarded<(@Sendable () -> Void)?>(nil)
    private var oldSessions: [Weak] = []
    /// Waits for the login that ends the use of a file which an older Squire left.
    private var moveWatch: SessionFileWatch?
    /// What the addresses of `listen` are bound to, one name for each: `localhost` has two sockets.
    let names: [ListeningSocket.Name]
    /// The same sockets, to look at: the server closes them.
    let sockets: [ListeningSocket]
    /// `proxy http://127.0.0.1:8080` and so on: what accepts connections now.
    var endpoints: [String] = []

    /// What a reload changes and other threads read.
    final class Current: Sendable {
        private let value: Guarded<InspectedProxy.Current>

        init(_ value: InspectedProxy.Current) {
            self.value = Guarded(value)
        }

        func set(_ new: InspectedProxy.Current) {
            value.with { $0 = new }
        }

        func get() -> InspectedProxy.Current { value.with { $0 } }
    }

    /// A session that exchanges from before a reload may still use.
    private struct Weak {
        weak var session: Session?
    }

    /// Binds and starts. `keepsSession` false keeps the session in memory; `takesNextPort` goes on to the next port
    /// when one is taken; `beside` are the configurations of all proxies that share this process; `isPrivate` takes
    /// every connection of this user for the command's that it serves, and none of anybody else; `inherited` are sockets
    /// in place of some that would be bound, which are the service's from now on; `examples` are lines for a terminal
    /// that the inspector's page offers, given the proxy's URL.
    init(
        _ loaded: LoadedConfiguration,
        logging: Logging,
        keepsSession: Bool = true,
        takesNextPort: Bool = false,
        beside all: [LoadedConfiguration] = [],
        isPrivate: Bool = false,
        inherited: InheritedSockets = InheritedSockets(),
        examples: (_ url: String) -> [String] = { _ in [] }
    ) throws {
        self.loaded = loaded
        self.logging = logging
        proxies = max(1, all.count)
        self.isPrivate = isPrivate
        self.keepsSession = keepsSession
        let configuration = loaded.configuration
        // Before the session is opened, which gives its file the mode it should have.
        let exposures = loaded.exposures
        try DescriptorLimit.require(configuration, proxies: proxies)
        DescriptorReserve.shared.fill()
        var sockets = inherited.proxy
        var names = sockets.map(\.name)
        do {
            for asked in loaded.askedListeners where inherited.proxy.isEmpty {
                let bound = try Listeners.bindAll(asked, takesNextPort: takesNextPort)
                sockets += bound.sockets
                names.append(bound.name)
                for notice in bound.notices { logging.logger().notice("\(notice)") }
            }
            (self.names, self.sockets) = (names, sockets)
            let session = try Self.makeSession(
                loaded,
                logging,
                refreshes,
                (generations, numbers),
                sessionChanged,
                keepsSession: keepsSession
            )
            current = Current(.init(loaded, session, isPrivate: isPrivate, keepsSession: keepsSession))
            let context = Self.makeContext(configuration, session, logging, sockets.map(\.name), proxies, isPrivate)
            let cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
            let workers = configuration.workers == 0 ? max(1, cores) : configuration.workers
            let inspector = configuration.inspector
            recordings = Recordings(
                workers: inspector.listen == nil ? 0 : workers,
                mode: inspector.record,
                bodyLimit: inspector.body
            )
            server = try ProxyServer(context: context, sockets: sockets, workers: workers, recordings: recordings)
        } catch {
            for socket in sockets { socket.close() }
            if let error = error as? SystemError { throw ExitFailure.inputOutput("squire: \(error.description)") }
            throw error
        }
        endpoints = names.map { "proxy \($0.url)" }
        if configuration.access.sameUser || isPrivate, let problem = PeerUsers.shared.problem {
            logging.logger().warning(
                "connections by TCP are refused: access.same-user is on and the system does not say whose they are (\(problem))"
            )
        }
        if configuration.limits.replayDisk > configuration.limits.replay, let problem = TemporaryDirectory.problem() {
            let level: Logger.Level = problem.isFatal ? .warning : .notice
            logging.logger().log(level: level, "\(ControlCharacters.escaped(problem.text))")
        }
        for warning in exposures { logging.logger().warning("\(warning)") }
        try startInspector(inherited, avoiding: LoadedConfiguration.fixedPorts(all), examples: examples(url))
    }

    func warnOfSession() {
        if let problem = sessionProblem { logging.logger().warning("\(problem)") }
    }

    /// What is wrong with the session and what to do about it; nil when nothing is.
    var sessionProblem: String? {
        let status = session.status
        guard let advice = status.advice else { return nil }
        // What is to be run stands at the end, so that it can be copied.
        return ((status.state == .none ? loaded.hints : []) + [advice]).joined(separator: ". ")
    }

    /// Has the configuration read again, once, when a login has written the session's own file while that of an older
    /// Squire is in use.
    func reloadWhenMoved() {
        guard case .former(_, let next) = loaded.place else { return }
        let file = SessionFile(path: next)
        // Whether it was handed in already, or has nothing left to do.
        let (isTaken, reloads) = (Guarded(false), reloads)
        moveWatch = SessionFileWatch(file) {
            guard file.version() != nil else { return }
            let wasTaken = isTaken.with { isTaken in
                defer { isTaken = true }
                return isTaken
            }
            guard !wasTaken else { return }
            reloads.submit(nil) { outcome in
                // One that is refused, by a broken file perhaps, is tried again when the session changes again.
                if case .refused = outcome { isTaken.with { $0 = false } }
            }
        }
    }

    /// Warns if what a refresh or a login brings could not be saved.
    func warnIfNotWritable() {
        let logger = logging.logger()
        session.tryWriting { problem in
            logger.warning("the session cannot be saved, so its token will not be refreshed: \(problem.description)")
        }
    }

    /// What nobody else needs to know.
    var secrets: [String] {
        let configured = loaded.configuration.secrets.map { String(decoding: $0, as: UTF8.self) }
        return [session.token?.value, session.refreshToken?.value].compactMap(\.self) + configured
    }

    /// The base URL of the first listener.
    var url: String { names[0].url }

    static func makeSession(
        _ loaded: LoadedConfiguration,
        _ logging: Logging,
        _ refreshes: RefreshCounts,
        _ tokens: (generations: GenerationBook, numbers: GenerationNumbers),
        _ changed: Guarded<(@Sendable () -> Void)?>,
        keepsSession: Bool
    ) throws -> Session {
        let messages = logging.messages
        let sharing: SharedRunner?
        do throws(ConfigurationError) {
            let engine = keepsSession ? try SharedEngine(loaded) : nil
            sharing = try engine?.runner(loaded) { SharedLog.log($0, to: messages) }
        } catch {
            throw Loading.failure(error)
        }
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
                emit: { event in
                    refreshes.record(event)
                    tokens.generations.record(event)
                    SessionLog.log(event, to: messages, login: loaded.lines.login)
                    changed.with { $0 }?()
                },
                tell: { tokens.generations.hear($0) }
            )
            session.watchFile()
            session.share()
            session.start()
            (source as? OAuthSource)?.prepare()
            (source as? TokenFileSource)?.watch(interval: TestTimes.tokenFileInterval) { [weak session] in
                session?.sourceChanged()
            }
            session.keepAlive()
            return session
        } catch {
            throw ExitFailure(error)
        }
    }

    func makeContext(_ configuration: ProxyConfiguration, _ session: Session) -> ProxyContext {
        Self.makeContext(configuration, session, logging, server.names, proxies, isPrivate)
    }

    private static func makeContext(
        _ configuration: ProxyConfiguration,
        _ session: Session,
        _ logging: Logging,
        _ names: [ListeningSocket.Name],
        _ proxies: Int,
        _ isPrivate: Bool
    ) -> ProxyContext {
        var configuration = configuration
        if isPrivate {
            configuration.access.key = nil
            configuration.access.sameUser = true
        }
        let possible = DescriptorLimit.connections(configuration, proxies: proxies)
        if configuration.limits.connections > possible {
            logging.logger().notice(
                "at most \(possible) connections at a time: the limit of open files (ulimit -n) allows no more"
            )
            configuration.limits.connections = possible
        }
        return ProxyContext(
            configuration: configuration,
            session: session,
            observer: ExchangeLog(level: logging.level, style: logging.style),
            listeners: names.map(ListenAddress.init)
        )
    }

    /// `former` is nobody's any more but its exchanges': it is waited for at the end.
    func remember(_ former: Session) {
        oldSessions.removeAll { $0.session == nil }
        oldSessions.append(Weak(session: former))
    }

    var session: Session { current.get().session }

    var shutdownTimeout: Duration { loaded.configuration.timeouts.shutdown }

    /// `hurry` is how a person can leave at once.
    func drain(hurry: String, completion: @escaping @Sendable () -> Void) {
        let (messages, timeout) = (logging.messages, shutdownTimeout)
        reloads.close()
        drainInspector()
        server.drain(
            waits: { remainder in
                let (exchanges, connections) = (remainder.exchanges, remainder.connections)
                let what =
                    switch (exchanges, connections) {
                    case (0, 1): "1 connection still closes"
                    case (0, _): "\(connections) connections still close"
                    case (1, _): "1 exchange still runs"
                    default: "\(exchanges) exchanges still run"
                    }
                let rest = "what is left after \(Quantity.words(seconds: Int(timeout.components.seconds))) is cut"
                messages.write(
                    LogMessage(
                        .notice,
                        event: "stopping",
                        "stopping: \(what) (\(hurry)); \(rest)",
                        [("exchanges", .number(exchanges)), ("connections", .number(connections))]
                    )
                )
            },
            completion: completion
        )
    }

    /// Why a proxy stops, which says what an open connection means.
    enum StopReason {
        /// It has drained, or `timeouts.shutdown` has passed.
        case drained
        /// The command that it was for has ended. What is still open is its last, or that of a child it left behind.
        case commandEnded
    }

    /// Requests go to the API without a token when there is none.
    var forwardsWithoutSession: Bool { loaded.configuration.session.missing == .forward }

    /// Ends everything; a refresh in flight is waited for and saved.
    func stop(_ reason: StopReason = .drained) {
        let open = server.snapshot().clientConnections
        if open > 0 {
            let connections = open == 1 ? "1 connection" : "\(open) connections"
            switch reason {
            case .drained:
                logging.logger().warning(
                    "\(connections) \(open == 1 ? "was" : "were") cut: timeouts.shutdown has passed"
                )
            case .commandEnded:
                logging.logger().info("the command ended with \(connections) open")
            }
        }
        server.stop()
        if session.spends, session.status.state == .refreshing {
            logging.messages.write(
                LogMessage(
                    .notice,
                    event: "stopping",
                    "stopping: a refresh is under way, and its token is saved first"
                )
            )
        }
        moveWatch?.stop()
        moveWatch = nil
        let timeout = loaded.configuration.session.timeout ?? .seconds(1)
        for session in [session] + oldSessions.compactMap(\.session) {
            // Nothing is lost of what can be had again at any time.
            switch session.end(timeout: session.spends ? timeout + timeout : .zero) {
            case .refresh? where session.spends:
                logging.logger().error("a refresh did not end in time; the session may need a login")
            case .sharing?:
                logging.logger().warning(
                    "the other machines could not be told of all that this one did; the next start here tells them"
                )
            case .refresh?, nil: break
            }
            if rescue(session) { endsUnsaved = true }
        }
        inspector?.stop()
    }
}
