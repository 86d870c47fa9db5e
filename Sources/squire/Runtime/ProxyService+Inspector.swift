import Credentials
import EventIO
import Inspector
import Logging
import Platform
import ReverseProxy
import Settings
import Threads

/// The inspector of a proxy. It has its own thread, so that its clients do not delay the proxy's.
extension ProxyService {
    /// The running inspector, its thread, and the address of its socket.
    struct Inspecting {
        let thread: LoopThread
        let server: LoopBound<InspectorServer?>
        let address: ListenAddress

        /// Calls `body` on the inspector's thread, unless the inspector has stopped.
        func execute(_ body: @escaping @Sendable (InspectorServer) -> Void) {
            let server = server
            thread.loop.execute {
                if let server = server.value { body(server) }
            }
        }

        /// Stops the inspector and joins its thread. `InspectorServer.stop` also clears `server`.
        func stop() {
            execute { $0.stop() }
            thread.stop()
        }
    }

    func startInspector(_ inherited: InheritedSockets, avoiding ports: Set<Int>, examples: [String]) throws {
        guard let asked = loaded.askedInspector else { return }
        let socket: ListeningSocket
        do {
            socket = try inherited.inspector ?? bindInspector(asked, avoiding: ports)
        } catch {
            stop()
            throw error
        }
        let thread: LoopThread
        do throws(SystemError) {
            thread = try LoopThread(name: "squire-inspect")
        } catch {
            socket.close()
            stop()
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
        let reference = LoopBound<InspectorServer?>(nil, loop: thread.loop)
        inspector = Inspecting(thread: thread, server: reference, address: socket.address)
        let (refreshes, generations) = (refreshes, generations)
        let (configuration, loop) = (loaded.configuration, thread.loop)
        let makeProxy = inspectedProxy(examples: examples)
        loop.execute {
            // Stores itself in `reference`.
            _ = InspectorServer(
                loop: loop,
                socket: socket,
                proxy: makeProxy(),
                refreshes: refreshes,
                generations: generations,
                access: InspectorAccess(configuration.access, address: socket.address),
                sameUser: configuration.access.sameUser,
                build: Version.build,
                keep: configuration.inspector.keep,
                reference: reference
            )
        }
        let suffix = if case .tcp = socket.address { "/" } else { "" }
        endpoints.append("inspector \(socket.address.url)\(suffix)")
    }

    private func bindInspector(_ asked: AskedAddress, avoiding ports: Set<Int>) throws -> ListeningSocket {
        let bound = try Listeners.bindOne(asked, takesNextPort: loaded.inspectorIsDefault, avoiding: ports)
        for notice in bound.notices { logging.logger().notice("\(notice)") }
        return bound.sockets[0]
    }

    /// What the inspector shows of the proxy, and may do with it.
    private func inspectedProxy(examples: [String]) -> @Sendable () -> InspectedProxy {
        let (server, recordings, current, reloads) = (server, recordings, current, reloads)
        let listen = addresses.map(\.url)
        return {
            InspectedProxy(
                listen: listen,
                examples: examples,
                current: { current.get() },
                snapshot: { server.snapshot() },
                recordings: recordings,
                generationCounts: { server.generationCounts() },
                adopt: { server.adopt($0, origin: $1) },
                reload: { reloads.submit($0, $1) }
            )
        }
    }

    /// Makes the inspector end its open responses.
    func drainInspector() {
        inspector?.execute { $0.drain() }
    }

    /// Applies the current configuration's access rules to the inspector.
    func reconfigureInspector() {
        guard let inspector else { return }
        let access = InspectorAccess(loaded.configuration.access, address: inspector.address)
        let (sameUser, settings) = (loaded.configuration.access.sameUser, loaded.configuration.inspector)
        inspector.execute { $0.reconfigure(access: access, sameUser: sameUser, settings) }
    }
}

extension InspectedProxy.Current {
    /// `isPrivate` requires no key. A session that is not kept has no command that prints its token. `secrecy` is that of
    /// the configuration and of those before it.
    init(
        _ loaded: LoadedConfiguration,
        _ session: Session,
        _ secrecy: SecrecyHistory,
        isPrivate: Bool,
        keepsSession: Bool
    ) {
        let rules = loaded.configuration.session
        var settings = loaded.configuration
        if isPrivate { settings.access.key = nil }
        self.init(
            upstream: loaded.configuration.upstreamURL,
            session: session,
            refreshTimeout: rules.timeout,
            configuration: loaded.realPath,
            secrecy: secrecy,
            settings: settings,
            tokenCommand: keepsSession && rules.source != .unused ? loaded.lines.line("token") : nil,
            explain: { [configuration = loaded.configuration, applySource = loaded.applySource] request in
                // Only clients with the key can ask the inspector.
                Explanation(request, configuration, applySource: applySource, hasKey: true) { session.status }
            }
        )
    }
}

extension Secrecy {
    init(_ configuration: ProxyConfiguration) {
        self.init(
            fields: configuration.secretFields,
            secrets: configuration.secrets,
            places: configuration.session.tokenPlaces,
            credential: configuration.session.apply
        )
    }
}
