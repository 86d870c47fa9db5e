import EventIO
import Playground
import ReverseProxy
import Threads

/// A running playground on a thread of its own.
final class PlaygroundService {
    let url: String
    private let thread: LoopThread
    private let box = Box()

    private final class Box: @unchecked Sendable {
        // `@unchecked`: made, used and released on the playground's loop.
        var server: PlaygroundServer?
    }

    init(_ address: ListenAddress, options: PlaygroundOptions) throws {
        let socket: ListeningSocket
        do {
            switch address {
            case .tcp(let host, let port): socket = try .tcp(host: host, port: port)
            case .unix(let path): socket = try .unix(path: path)
            }
        } catch {
            throw ExitFailure.inputOutput("squire: \(error). Choose another address with --listen")
        }
        do throws(SystemError) {
            thread = try LoopThread(name: "squire-play")
        } catch {
            socket.close()
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
        switch socket.name {
        case .tcp(let host, let port): url = "http://\(SocketAddress(host: host, port: port))"
        case .unix(let path): url = "unix:\(path)"
        }
        let (box, loop) = (box, thread.loop)
        loop.execute { box.server = PlaygroundServer(loop: loop, socket: socket, options: options) }
    }

    /// Logs the seeded customer in and gives the token.
    func signIn() -> String? {
        let latch = Latch<String?>()
        let host = String(url.drop { $0 != "/" }.dropFirst(2))
        let box = box
        thread.loop.execute { latch.set(box.server?.signInSeededCustomer(host: host)) }
        return latch.wait()
    }

    func stop() {
        let box = box
        thread.loop.execute {
            box.server?.stop()
            box.server = nil
        }
        thread.stop()
    }
}
