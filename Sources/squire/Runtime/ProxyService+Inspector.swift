import Credentials
import EventIO
import Inspector
import Logging
import Platform
import ReverseProxy
import Settings
import Threads

/// The inspector of a proxy: on a thread of its own, so that nobody who looks holds anybody up.
extension ProxyService {
    /// The inspector that runs, its thread, and what its socket is bound to.
    struct Inspecting {
        let thread: LoopThread
        let server: LoopBound<InspectorServer?>
        let name: ListeningSocket.Name

        /// Calls `body` on the inspector's thread, unless the inspector has stopped.
        func execute(_ body: @escaping @Sendable (InspectorServer) -> Void) {
            let server = server
            thread.loop.execute {
                if let server = server.value { body(server) }
            }
        }

        /// Ends the inspector and joins its thread. `InspectorServer.stop` empties the box, too.
        func stop() {
            execute { $0.stop() }
            thread.stop()
        }
    }

    func startInspector(_ inherited: InheritedSockets, avoiding ports: Set<Int>, examples: [String]) throws {
        guard let asked = loaded.askedInspector else { return }
        let socket: ListeningSocket
        do {
            if let passed = inherited.inspector {
                socket = passed
            } else {
                let bound = try Listeners.bindOne(asked, takesNextPort: loaded.inspectorIsDefault, avoiding: ports)
                for notice in bound.notices { logging.logger().notice("\(notice)") }
                socket = bound.sockets[0]
            }
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
        inspector = Inspecting(thread: thread, server: reference, name: socket.name)
        let (server, recordings, current, refreshes, reloads) = (server, recordings, current, refreshes, reloads)
        let (configuration, loop, generations) = (loaded.configuration, thread.loop, generations)
        let listen = names.map(\.url)
        loop.execute {
            // Puts itself into the box that it is given.
            _ = InspectorServer(
                loop: loop,
                socket: socket,
                proxy: InspectedProxy(
                    listen: listen,
                    examples: examples,
                    current: { current.get() },
                    snapshot: { server.snapshot() },
                    recordings: recordings,
                    generationCounts: { server.generationCounts() },
                    adopt: { server.adopt($0, origin: $1) },
                    reload: { reloads.submit($0, $1) }
                ),
                refreshes: refreshes,
                generations: generations,
                access: InspectorAccess(configuration.access, name: socket.name),
                sameUser: configuration.access.sameUser,
                build: Version.build,
                keep: configuration.inspector.keep,
                reference: reference
            )
        }
        let suffix = if case .tcp = socket.name { "/" } else { "" }
        endpoints.append("inspector \(socket.name.url)\(suffix)")
    }

    /// Has the inspector send nothing any more.
    func drainInspector() {
        inspector?.execute { $0.drain() }
    }

    /// Has the inspector follow the access rules of the configuration that runs.
    func reconfigureInspector() {
        guard let inspector else { return }
        let access = InspectorAccess(loaded.configuration.access, name: inspector.name)
        let (sameUser, settings) = (loaded.configuration.access.sameUser, loaded.configuration.inspector)
        inspector.execute { $0.reconfigure(access: access, sameUser: sameUser, settings) }
    }
}

extension InspectedProxy.Current {
    /// `isPrivate` asks no key of anybody; a session that is not kept has no line that prints its token.
    init(_ loaded: LoadedConfiguration, _ session: Session, isPrivate: Bool, keepsSession: Bool) {
        let rules = loaded.configuration.session
        var settings = loaded.configuration
        if isPrivate { settings.access.key = nil }
        self.init(
            upstream: loaded.configuration.upstreamURL,
            session: session,
            refreshTimeout: rules.timeout,
            configuration: loaded.realPath,
            secrecy: Secrecy(
                isSecretField: { rules.isSecret(field: $0) },
                secrets: loaded.configuration.secrets,
                places: rules.tokenPlaces,
                credential: rules.apply
            ),
            settings: settings,
            tokenCommand: keepsSession && rules.source != .unused ? loaded.lines.line("token") : nil,
            explain: { [configuration = loaded.configuration, applySource = loaded.applySource] request in
                // The inspector's page and whoever asks it have the key, or they could not ask.
                Explanation(request, configuration, applySource: applySource, hasKey: true) { session.status }
            }
        )
    }
}
