import EventIO
import HTTP1
import LocalServer
import Platform
import Threads

/// Waits for the browser at the redirect URI (RFC 8252 section 7.3): one answer, then nothing more.
///
/// *Threading*: made and used by one thread; it serves on one of its own. *Ownership*: owns its sockets, closed by
/// `stop`.
final class LoopbackRedirect {
    /// The redirect URI, as both requests must say it.
    let uri: String
    private let thread: LoopThread
    private let page: LoopBound<RedirectPage>
    private let ends: Pipe

    /// Decides about a connection that was accepted, before anything is read from it.
    typealias Admission = @Sendable (_ descriptor: Int32) -> Bool

    /// Listens where `address` says. `judge` is made of the redirect URI's path. Throws `SystemError`.
    init(_ address: RedirectAddress, judge: RedirectJudge, admits: @escaping Admission) throws {
        guard case .loopback(let host, let port, _, _) = address else {
            throw SystemError("cannot listen for a redirect to another machine", code: EADDRNOTAVAIL)
        }
        let sockets = try RedirectSockets.listen(host: host, port: port)
        do {
            guard case .tcp(_, let bound) = sockets[0].name else { throw SystemError("no port", code: EINVAL) }
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

    /// Readable once the answer is there.
    var descriptor: Int32 { ends.readEnd }

    /// The answer; nil while there is none.
    func answer() -> RedirectAnswer? {
        onLoop { page in page.answer }
    }

    /// Answers the browser that brought the answer, and everyone after it. Waits until it has the page, 2 s at most.
    func show(_ outcome: AuthorizationCodeLogin.Outcome) {
        onLoop { page in page.show(outcome) }
        for _ in 0..<200 where onLoop({ page in page.isBusy }) {
            var pause = timespec(tv_sec: 0, tv_nsec: 10_000_000)
            unsafe nanosleep(&pause, nil)
        }
    }

    /// Listens no more.
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

/// The sockets of a redirect URI. `localhost` is two addresses, and a browser may take either: somebody else must not
/// sit on the other one.
enum RedirectSockets {
    /// Throws `SystemError`. At least one; all of one port.
    static func listen(host: String, port: Int?) throws -> [ListeningSocket] {
        guard host == "localhost" || host.hasSuffix(".localhost") else {
            return [try ListeningSocket.tcp(host: host, port: port ?? 0)]
        }
        return try ListeningSocket.loopback(port: port ?? 0)
    }
}
