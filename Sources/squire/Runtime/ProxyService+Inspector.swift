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
    /// The inspector that runs, and what its socket is bound to.
    struct Inspecting {
        let server: LoopBound<InspectorServer?>
        let name: ListeningSocket.Name
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
        inspectorThread = thread
        let inspector = LoopBound<InspectorServer?>(nil, loop: thread.loop)
        self.inspector = Inspecting(server: inspector, name: socket.name)
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
                reference: inspector
            )
        }
        let suffix = if case .tcp = socket.name { "/" } else { "" }
        endpoints.append("inspector \(socket.name.url)\(suffix)")
    }

    /// Has the inspector send nothing any more.
    func drainInspector() {
        guard let inspector, let thread = inspectorThread else { return }
        let server = inspector.server
        thread.loop.execute { server.value?.drain() }
    }

    /// Has the inspector follow the access rules of the configuration that runs.
    func reconfigureInspector() {
        guard let inspector, let thread = inspectorThread else { return }
        let access = InspectorAccess(loaded.configuration.access, name: inspector.name)
        let (sameUser, settings) = (loaded.configuration.access.sameUser, loaded.configuration.inspector)
        let server = inspector.server
        thread.loop.execute { server.value?.reconfigure(access: access, sameUser: sameUser, settings) }
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
