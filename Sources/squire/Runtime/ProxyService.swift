import Credentials
import EventIO
import HTTP1
import Inspector
import Logging
import Platform
import ReverseProxy
import Settings
import Synchronization
import Threads

/// One running proxy with its session and its inspector.
final class ProxyService {
    private let current: Current
    private let server: ProxyServer
    private var inspectorThread: LoopThread?
    private var inspector: LoopBound<InspectorServer?>?
    private let refreshes = RefreshCounts()
    private let logging: Logging
    private let proxies: Int
    private var loaded: LoadedConfiguration
    private var oldSessions: [Weak] = []
    /// `proxy http://127.0.0.1:8080` and so on: what accepts connections now.
    private(set) var endpoints: [String] = []

    /// What a reload changes and other threads read.
    private final class Current: Sendable {
        private let value: Guarded<(upstream: String, session: Session)>

        init(_ upstream: Origin, _ session: Session) {
            value = Guarded((upstream.description, session))
        }

        func set(_ upstream: Origin, _ session: Session) {
            value.with { $0 = (upstream.description, session) }
        }

        func get() -> (upstream: String, session: Session) { value.with { $0 } }
    }

    /// A session that exchanges from before a reload may still use.
    private struct Weak {
        weak var session: Session?
    }

    /// Binds and starts. `keepsSession` false keeps the session in memory; `takesNextPort` goes on to the next port
    /// when one is taken; `proxies` share this process's descriptors.
    init(
        _ loaded: LoadedConfiguration,
        logging: Logging,
        keepsSession: Bool = true,
        takesNextPort: Bool = false,
        proxies: Int = 1
    ) throws {
        self.loaded = loaded
        self.logging = logging
        self.proxies = proxies
        let configuration = loaded.configuration
        try DescriptorLimit.require(configuration, proxies: proxies)
        DescriptorReserve.shared.fill()
        var sockets: [ListeningSocket] = []
        do {
            for address in configuration.listen { sockets.append(try Self.bind(address, takesNextPort: takesNextPort)) }
            let session = try Self.makeSession(loaded, logging, refreshes, keepsSession: keepsSession)
            current = Current(configuration.upstream, session)
            let context = Self.makeContext(configuration, session, logging, sockets.map(\.name), proxies)
            let cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
            server = try ProxyServer(
                context: context,
                sockets: sockets,
                workers: configuration.workers == 0 ? max(1, cores) : configuration.workers
            )
        } catch {
            for socket in sockets { socket.close() }
            if let error = error as? SystemError { throw ExitFailure.inputOutput("squire: \(error.description)") }
            throw error
        }
        endpoints = server.names.map { "proxy \(Self.url(of: $0))" }
        if configuration.access.sameUser, let problem = PeerUsers.shared.problem {
            logging.logger().warning(
                "connections by TCP are refused: access.same-user is on and the system does not say whose they are (\(problem))"
            )
        }
        if configuration.limits.replayDisk > configuration.limits.replay, let problem = TemporaryDirectory.problem() {
            let level: Logger.Level = problem.isFatal ? .warning : .notice
            logging.logger().log(level: level, "\(ControlCharacters.escaped(problem.text))")
        }
        try startInspector()
    }

    /// What runs, for the first line of the log.
    var startMessage: LogMessage {
        let status = session.status
        let who = status.subject.map { "customer \($0.prefix(64))" }
        let token: String =
            switch status.state {
            case .usable, .refreshing:
                status.expiresIn.map { "token good for \(Quantity.words(seconds: $0))" } ?? "token of unknown life"
            case .loginNeeded: "a login is needed"
            case .none: "nobody is logged in"
            }
        let listen = server.names.map(Self.url(of:))
        let upstream = loaded.configuration.upstream.description
        let words = [
            "squire \(Squire.version): \(listen.joined(separator: " and ")) -> \(upstream)", who,
            (status.expiresIn ?? 1) > 0 ? token : "the token has expired",
        ]
        return LogMessage(
            .notice,
            event: "start",
            words.compactMap(\.self).joined(separator: ", "),
            [
                ("version", .text(Squire.version)), ("listen", .list(listen)), ("upstream", .text(upstream)),
                ("subject", status.subject.map(LogMessage.Value.text)), ("session", .text(status.state.rawValue)),
                ("expires_in", status.expiresIn.map(LogMessage.Value.number)),
            ]
        )
    }

    /// The same as a line; nil when the level leaves it out.
    var startLine: ByteBuffer? { logging.messages.line(startMessage) }

    func warnOfSession() {
        if let problem = sessionProblem { logging.logger().warning("\(problem)") }
    }

    /// What is wrong with the session and what to do about it; nil when nothing is.
    var sessionProblem: String? { session.status.advice }

    /// What nobody else needs to know.
    var secrets: [String] {
        let key = loaded.configuration.access.key.map { String(decoding: $0, as: UTF8.self) }
        return [session.token?.value, key].compactMap { $0 }
    }

    /// The base URL of the first listener.
    var url: String { Self.url(of: server.names[0]) }

    private static func url(of name: ListeningSocket.Name) -> String {
        switch name {
        case .tcp(let host, let port): "http://\(SocketAddress(host: host, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }

    private static func bind(_ address: ListenAddress, takesNextPort: Bool) throws -> ListeningSocket {
        var address = address
        for _ in 0..<100 {
            do {
                switch address {
                case .tcp(let host, let port): return try .tcp(host: host, port: port)
                case .unix(let path): return try .unix(path: path)
                }
            } catch let error as SystemError {
                if takesNextPort, error.code == EADDRINUSE, case .tcp(let host, let port) = address {
                    address = .tcp(host: host, port: port + 1)
                    continue
                }
                var hint = ""
                if error.code == EADDRINUSE { hint = ". Something listens there already: choose another with --listen" }
                if error.code == EACCES { hint = ". Ports below 1024 need privileges: choose another with --listen" }
                throw ExitFailure.inputOutput("squire: \(error.description)\(hint)")
            }
        }
        throw ExitFailure.inputOutput("squire: no free port near \(address)")
    }

    private static func makeSession(
        _ loaded: LoadedConfiguration,
        _ logging: Logging,
        _ refreshes: RefreshCounts,
        keepsSession: Bool,
        withheld: Token? = nil
    ) throws -> Session {
        let messages = logging.messages
        do throws(SessionFileError) {
            let session = try Session(
                file: keepsSession ? SessionFile(path: loaded.sessionFile) : nil,
                source: RecipeSource(loaded.configuration) { SessionLog.log($0, to: messages) },
                margin: loaded.configuration.session.margin,
                upstream: loaded.configuration.upstream.description,
                withheld: withheld,
                emit: { event in
                    refreshes.record(event)
                    SessionLog.log(event, to: messages)
                }
            )
            session.watchFile()
            return session
        } catch {
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
    }

    private static func makeContext(
        _ configuration: ProxyConfiguration,
        _ session: Session,
        _ logging: Logging,
        _ names: [ListeningSocket.Name],
        _ proxies: Int
    ) -> ProxyContext {
        var configuration = configuration
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
            ownHosts: ownHosts(names),
            ownPorts: names.compactMap { if case .tcp(_, let port) = $0 { port } else { nil } }
        )
    }

    /// What clients may call the listeners, beside the loopback names.
    private static func ownHosts(_ names: [ListeningSocket.Name]) -> [Authority] {
        names.compactMap { name in
            // "Any address" is no name to call: a page could, and reach this machine by it.
            guard case .tcp(let host, let port) = name, host != "0.0.0.0", host != "::" else { return nil }
            return Authority(host: host, port: port)
        }
    }

    private func startInspector() throws {
        guard let address = loaded.configuration.inspector else { return }
        let socket: ListeningSocket
        do {
            socket = try Self.bind(address, takesNextPort: loaded.inspectorIsDefault)
        } catch {
            stop()
            throw error
        }
        let thread: LoopThread
        do throws(SystemError) {
            thread = try LoopThread(name: "squire-inspector")
        } catch {
            socket.close()
            stop()
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
        inspectorThread = thread
        let inspector = LoopBound<InspectorServer?>(nil, loop: thread.loop)
        self.inspector = inspector
        let (server, current, refreshes) = (server, current, refreshes)
        let (configuration, loop) = (loaded.configuration, thread.loop)
        let listen = server.names.map(Self.url(of:))
        let access = AccessPolicy(
            configuration.access,
            upstream: configuration.upstream,
            ownHosts: Self.ownHosts([socket.name])
        )
        loop.execute {
            inspector.value = InspectorServer(
                loop: loop,
                socket: socket,
                proxy: InspectedProxy(
                    listen: listen,
                    current: { current.get() },
                    snapshot: { server.snapshot() }
                ),
                refreshes: refreshes,
                access: access,
                sameUser: configuration.access.sameUser,
                version: Squire.version
            )
        }
        let suffix = if case .tcp = socket.name { "/" } else { "" }
        endpoints.append("inspector \(Self.url(of: socket.name))\(suffix)")
    }

    /// Puts a newly read configuration in force: everything but the listeners, the workers and the inspector.
    func reconfigure(_ fresh: LoadedConfiguration) throws {
        let logger = logging.logger()
        let (old, new) = (loaded.configuration, fresh.configuration)
        if old.listen != new.listen || old.workers != new.workers || old.inspector != new.inspector {
            logger.warning("listen, workers and inspector change with a restart only")
        }
        let session = try Self.isSameSession(loaded, fresh) ? session : makeNextSession(fresh)
        current.set(new.upstream, session)
        loaded = fresh
        if let problem = sessionProblem { logger.warning("\(problem)") }
        server.reconfigure(Self.makeContext(new, session, logging, server.names, proxies))
        logger.notice("configuration re-read")
    }

    /// Whether everything that a session is made from stays as it was.
    private static func isSameSession(_ old: LoadedConfiguration, _ new: LoadedConfiguration) -> Bool {
        let (before, after) = (old.configuration, new.configuration)
        return old.sessionFile == new.sessionFile && before.session == after.session && before.headers == after.headers
            && before.upstream == after.upstream && before.upstreamSettings == after.upstreamSettings
    }

    /// A new cache on the file: a refresh in flight in the former one holds the file's lock, so nothing is lost. A
    /// token that was used with the former upstream does not go to another, whoever put it into the file.
    private func makeNextSession(_ fresh: LoadedConfiguration) throws -> Session {
        let former = session
        let isOther = loaded.configuration.upstream != fresh.configuration.upstream
        let next = try Self.makeSession(
            fresh,
            logging,
            refreshes,
            keepsSession: true,
            withheld: isOther ? former.token : nil
        )
        oldSessions.removeAll { $0.session == nil }
        oldSessions.append(Weak(session: former))
        return next
    }

    var session: Session { current.get().session }

    var shutdownTimeout: Duration { loaded.configuration.timeouts.shutdown }

    /// `hurry` is how a person can leave at once.
    func drain(hurry: String, completion: @escaping @Sendable () -> Void) {
        let (messages, timeout) = (logging.messages, shutdownTimeout)
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

    /// Ends everything; a refresh in flight is waited for and saved.
    func stop() {
        let open = server.snapshot().clientConnections
        if open > 0 {
            logging.logger().warning(
                "\(open) connection\(open == 1 ? " was" : "s were") cut: timeouts.shutdown has passed"
            )
        }
        server.stop()
        if session.status.state == .refreshing {
            logging.messages.write(
                LogMessage(
                    .notice,
                    event: "stopping",
                    "stopping: a refresh is under way, and its token is saved first"
                )
            )
        }
        let timeout = loaded.configuration.session.refresh?.timeout ?? .seconds(1)
        for session in [session] + oldSessions.compactMap(\.session) where !session.shutdown(timeout: timeout + timeout)
        {
            logging.logger().error("a refresh did not end in time; the session may need a login")
        }
        if let inspectorThread, let inspector {
            inspectorThread.loop.execute {
                inspector.value?.stop()
                inspector.value = nil
            }
            inspectorThread.stop()
        }
    }
}
