import EventIO
import Platform
import Playground
import ReverseProxy
import Threads

/// A playground, which runs on its own thread.
final class PlaygroundService {
    let url: String
    private let thread: LoopThread
    private let server: LoopBound<PlaygroundServer?>

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
        url = socket.address.url
        server = LoopBound(nil, loop: thread.loop)
        let (server, loop) = (server, thread.loop)
        loop.execute { server.value = PlaygroundServer(loop: loop, socket: socket, options: options) }
    }

    /// Signs the seeded customer in, and returns the token.
    func signIn() -> String? {
        let latch = Latch<String?>()
        let host = String(url.drop { $0 != "/" }.dropFirst(2))
        let server = server
        thread.loop.execute { latch.set(server.value?.signInSeededCustomer(host: host)) }
        return latch.wait()
    }

    func stop() {
        let server = server
        thread.loop.execute {
            server.value?.stop()
            server.value = nil
        }
        thread.stop()
    }
}
