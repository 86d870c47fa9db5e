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

/// A running proxy with its session and its inspector.
final class ProxyService {
    let current: Current
    let server: ProxyServer
    /// The recorded exchanges, which the inspector shows.
    let recordings: Recordings
    /// Nil with `inspector: off`.
    var inspector: Inspecting?
    let refreshes = RefreshCounts()
    let generations = GenerationBook()
    /// Continues when a reload opens another session.
    let numbers = GenerationNumbers()
    /// The sessions of all proxies in this process.
    let sessions: SessionGroup
    let logging: Logging
    private let proxies: Int
    /// Whether the proxy serves only its own command, and requires no key.
    let isPrivate: Bool
    let keepsSession: Bool
    /// The running configuration: the one that was read last, except for settings that need a restart.
    var loaded: LoadedConfiguration
    let reloads = ReloadCoordinator()
    /// Nil without a service manager.
    var report: ServiceReport?
    /// How many configurations the proxy followed before the running one.
    var configurationNumber: UInt32 = 0
    /// Whether the last reload was refused because of mistakes.
    var isReloadRefused = false
    /// Whether the proxy ended with a token that its file does not contain.
    private(set) var endsUnsaved = false
    /// Called after each event of the session, on any thread.
    let sessionChanged = Guarded<(@Sendable () -> Void)?>(nil)
    private var formerSessions: [Weak] = []
    /// Watches for the login that replaces a session file of an older Squire.
    private var moveWatch: SessionFileWatch?
    /// The bound addresses, one for each address of `listen`: `localhost` has two sockets.
    let addresses: [ListenAddress]
    /// All listening sockets, for inspection. The server closes them.
    let sockets: [ListeningSocket]
    /// What accepts connections, such as `proxy http://127.0.0.1:8080`.
    var endpoints: [String] = []

    /// The values that a reload replaces, for other threads to read.
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

    /// A former session that exchanges from before a reload may still use.
    private struct Weak {
        weak var session: Session?
    }

    /// Binds the listeners and starts.
    ///
    /// `keepsSession: false` keeps the session in memory. `takesNextPort` tries the following ports if one is taken.
    /// `beside` contains the configurations of all proxies in this process, and `sessions` their sessions. `isPrivate`
    /// admits every connection of this user, as the command's, and none of other users. `inherited` replaces the sockets
    /// to bind; the service owns them from now on. `examples` makes command lines for the inspector's page from the
    /// proxy's URL.
    init(
        _ loaded: LoadedConfiguration,
        logging: Logging,
        keepsSession: Bool = true,
        takesNextPort: Bool = false,
        beside all: [LoadedConfiguration] = [],
        sessions: SessionGroup = SessionGroup(),
        isPrivate: Bool = false,
        inherited: InheritedSockets = InheritedSockets(),
        examples: (_ url: String) -> [String] = { _ in [] }
    ) throws {
        self.loaded = loaded
        self.logging = logging
        self.sessions = sessions
        proxies = max(1, all.count)
        self.isPrivate = isPrivate
        self.keepsSession = keepsSession
        let configuration = loaded.configuration
        // Opening the session corrects its file's mode, so that exposures must be determined first.
        let exposures = loaded.exposures
        try DescriptorLimit.require(configuration, proxies: proxies)
        DescriptorReserve.shared.fill()
        let (sockets, addresses) = try Self.bind(loaded, inherited, takesNextPort: takesNextPort, logging)
        (self.addresses, self.sockets) = (addresses, sockets)
        do {
            let session = try Self.makeSession(
                loaded,
                logging,
                refreshes,
                (generations, numbers),
                sessionChanged,
                sessions,
                keepsSession: keepsSession
            )
            let secrecy = SecrecyHistory(Secrecy(configuration))
            current = Current(.init(loaded, session, secrecy, isPrivate: isPrivate, keepsSession: keepsSession))
            let context = Self.makeContext(configuration, session, logging, sockets.map(\.address), proxies, isPrivate)
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
        endpoints = addresses.map { "proxy \($0.url)" }
        warn(exposures)
        try startInspector(inherited, avoiding: LoadedConfiguration.fixedPorts(all), examples: examples(url))
    }

    /// Binds the listeners, unless a service manager passed them. Closes those that it bound if it throws.
    private static func bind(
        _ loaded: LoadedConfiguration,
        _ inherited: InheritedSockets,
        takesNextPort: Bool,
        _ logging: Logging
    ) throws -> ([ListeningSocket], [ListenAddress]) {
        guard inherited.proxy.isEmpty else { return (inherited.proxy, inherited.proxy.map(\.address)) }
        var sockets: [ListeningSocket] = []
        var addresses: [ListenAddress] = []
        do {
            for asked in loaded.askedListeners {
                let bound = try Listeners.bindAll(asked, takesNextPort: takesNextPort)
                sockets += bound.sockets
                addresses.append(bound.address)
                for notice in bound.notices { logging.logger().notice("\(notice)") }
            }
        } catch {
            for socket in sockets { socket.close() }
            throw error
        }
        return (sockets, addresses)
    }

    /// Warns of what the configuration asks for and the system does not provide.
    private func warn(_ exposures: [String]) {
        let configuration = loaded.configuration
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
    }

    func warnAboutSession() {
        if let problem = sessionProblem { logging.logger().warning("\(problem)") }
    }

    /// The session's problem, and what to do about it; nil if there is none.
    var sessionProblem: String? {
        let status = session.status
        guard let advice = status.advice else { return nil }
        // The command to run comes last, so that it can be copied.
        return ((status.state == .none ? loaded.hints : []) + [advice]).joined(separator: ". ")
    }

    /// Reloads once, when a login writes the session's own file while an older Squire's file is in use.
    func reloadWhenMoved() {
        guard case .former(_, let next) = loaded.place else { return }
        let file = SessionFile(path: next)
        // Whether a reload has been requested, and has not been refused.
        let (isTaken, reloads) = (Guarded(false), reloads)
        moveWatch = SessionFileWatch(file) {
            guard file.version() != nil else { return }
            let wasTaken = isTaken.with { isTaken in
                defer { isTaken = true }
                return isTaken
            }
            guard !wasTaken else { return }
            reloads.submit(nil) { outcome in
                // A reload that was refused, perhaps because of a broken file, is repeated when the session changes
                // again.
                if case .refused = outcome { isTaken.with { $0 = false } }
            }
        }
    }

    /// Warns if the result of a refresh or a login could not be saved.
    func warnIfNotWritable() {
        let logger = logging.logger()
        session.tryWriting { problem in
            logger.warning("the session cannot be saved, so its token will not be refreshed: \(problem.description)")
        }
    }

    /// The secrets that a command must not inherit.
    var secrets: [String] {
        let configured = loaded.configuration.secrets.map { String(decoding: $0, as: UTF8.self) }
        return [session.token?.value, session.refreshToken?.value].compactMap(\.self) + configured
    }

    /// The base URL of the first listener.
    var url: String { addresses[0].url }

    /// `number` is that of the configuration.
    func makeContext(_ configuration: ProxyConfiguration, _ session: Session, number: UInt32) -> ProxyContext {
        Self.makeContext(configuration, session, logging, server.addresses, proxies, isPrivate, number: number)
    }

    private static func makeContext(
        _ configuration: ProxyConfiguration,
        _ session: Session,
        _ logging: Logging,
        _ addresses: [ListenAddress],
        _ proxies: Int,
        _ isPrivate: Bool,
        number: UInt32 = 0
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
            number: number,
            session: session,
            observer: ExchangeLog(level: logging.level, style: logging.style),
            listeners: addresses
        )
    }

    /// Keeps a weak reference to a former session, which only its exchanges own. `stop` waits for it.
    func keep(former: Session) {
        former.retire()
        formerSessions.removeAll { $0.session == nil }
        formerSessions.append(Weak(session: former))
    }

    var session: Session { current.get().session }

    var shutdownTimeout: Duration { loaded.configuration.timeouts.shutdown }

    /// `hurry` tells a person how to end the process at once.
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

    /// Why a proxy stops. Decides how open connections are reported.
    enum StopReason {
        /// All exchanges are done, or `timeouts.shutdown` has passed.
        case drained
        /// The command of `squire exec` has ended. A connection that is still open belongs to it, or to a child that it
        /// left behind.
        case commandEnded
    }

    /// Whether requests are forwarded without a token if there is none.
    var forwardsWithoutSession: Bool { loaded.configuration.session.missing == .forward }

    /// Ends everything. Waits for a refresh in flight, so that its result is saved.
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
        let sessions = [session] + formerSessions.compactMap(\.session)
        if sessions.contains(where: \.isEnding) {
            logging.messages.write(
                LogMessage(
                    .notice,
                    event: "stopping",
                    "stopping: a session that a client has ended is ended at its source"
                )
            )
        }
        for session in sessions {
            // Tokens that can be obtained at any time need not be waited for.
            switch session.end(timeout: session.spends ? timeout + timeout : .zero) {
            case .refresh? where session.spends:
                logging.logger().error("a refresh did not end in time; the session may need a login")
            case .ending?:
                logging.logger().warning(
                    "a session that a client had ended was not ended at its source in time: its tokens may live on there"
                )
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
