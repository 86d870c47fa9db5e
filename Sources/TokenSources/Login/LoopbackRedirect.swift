import EventIO
import HTTP1
import LocalServer
import Platform
import Threads

/// Listens at the redirect URI for the browser's answer (RFC 8252 section 7.3). Accepts one answer.
///
/// *Threading*: created and used by one thread; serves on a thread of its own. *Ownership*: owns its sockets until
/// `stop`.
final class LoopbackRedirect {
    /// The redirect URI, as both the authorization request and the token request must spell it.
    let uri: String
    private let thread: LoopThread
    private let page: LoopBound<RedirectPage>
    private let ends: Pipe

    /// Whether an accepted connection is served; called before anything is read from it.
    typealias Admission = @Sendable (_ descriptor: Int32) -> Bool

    /// Listens at `address`. `judge` is created for the redirect URI's path. Throws `SystemError`.
    init(_ address: RedirectAddress, judge: RedirectJudge, admits: @escaping Admission) throws {
        guard case .loopback(let host, let port, _, _) = address else {
            throw SystemError("cannot listen for a redirect to another machine", code: EADDRNOTAVAIL)
        }
        let sockets = try RedirectSockets.listen(host: host, port: port)
        do {
            guard case .tcp(_, let bound) = sockets[0].address else { throw SystemError("no port", code: EINVAL) }
            uri = address.uri(port: bound)
            ends = try Pipe()
            thread = try LoopThread(name: "squire-redirect")
        } catch {
            for socket in sockets { socket.close() }
            throw error
        }
        let loop = thread.loop
        page = LoopBound(RedirectPage(judge: judge), loop: loop)
        let (page, signal) = (page, ends.writeEnd)
        loop.execute {
            page.value.serve(sockets, on: loop, admits: admits) {
                var byte: UInt8 = 0
                _ = SystemCall.retrying { unsafe write(signal, &byte, 1) }
            }
        }
    }

    /// Becomes readable when the answer has arrived.
    var descriptor: Int32 { ends.readEnd }

    /// The answer; nil until it has arrived.
    func answer() -> RedirectAnswer? {
        onLoop { page in page.answer }
    }

    /// Sends the result page to the browser that brought the answer. Blocks until the page is sent, at most 2 s.
    func show(_ outcome: AuthorizationCodeLogin.Outcome) {
        onLoop { page in page.show(outcome) }
        for _ in 0..<200 where onLoop({ page in page.isBusy }) {
            var pause = timespec(tv_sec: 0, tv_nsec: 10_000_000)
            unsafe nanosleep(&pause, nil)
        }
    }

    /// Stops listening.
    func stop() {
        onLoop { page in page.stop() }
        thread.stop()
    }

    private func onLoop<Value: Sendable>(_ body: @escaping @Sendable (RedirectPage) -> Value) -> Value {
        let latch = Latch<Value>()
        let page = page
        thread.loop.execute { latch.set(body(page.value)) }
        return latch.wait()
    }

    /// Wakes whoever waits for the answer.
    private final class Pipe {
        let readEnd: Int32
        let writeEnd: Int32

        init() throws(SystemError) {
            var ends: [Int32] = [-1, -1]
            guard unsafe pipe(&ends) == 0 else { throw SystemError("a pipe cannot be made") }
            for end in ends {
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
            }
            (readEnd, writeEnd) = (ends[0], ends[1])
        }

        deinit {
            close(readEnd)
            close(writeEnd)
        }
    }
}

/// The sockets of a redirect URI. `localhost` has two addresses, and a browser may use either, so no other process may
/// listen on one of them.
enum RedirectSockets {
    /// Returns at least one socket; all have the same port. Throws `SystemError`.
    static func listen(host: String, port: Int?) throws -> [ListeningSocket] {
        guard host == "localhost" || host.hasSuffix(".localhost") else {
            return [try ListeningSocket.tcp(host: host, port: port ?? 0)]
        }
        return try ListeningSocket.loopback(port: port ?? 0)
    }
}
