import Credentials
import EventIO
import HTTP1
import Platform
import Testing

@testable import ReverseProxy

/// A worker whose loop runs on the test's thread, a client, and an upstream. What happens between a look of the loop and the
/// callbacks for it is up to the test.
private final class Rig: DescriptorWatchDelegate {
    let loop: EventLoop
    let client: Int32
    /// What is called in the next turn before the client's bytes are read.
    private var meanwhile: () -> Void = {}
    private let worker: Worker
    private let socket: ListeningSocket
    private let trigger: (near: Int32, far: Int32)
    private var watch: DescriptorWatch?
    private let session: Session

    init() throws {
        loop = try EventLoop()
        socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        let port = try #require(SocketAddress.local(of: socket.descriptor)).port
        SocketIO.setNonBlocking(socket.descriptor)
        var configuration = ProxyConfiguration(
            upstream: Origin(isSecure: false, authority: Authority(host: "127.0.0.1", port: port))
        )
        configuration.session.source = .unused
        session = try Session(file: nil, source: ScriptedSource([]), policy: RefreshPolicy(margin: .zero))
        worker = Worker(
            loop: loop,
            context: ProxyContext(configuration: configuration, session: session, observer: nil),
            counters: [Counters()],
            generations: GenerationTable(),
            names: WorkerNames(recordings: nil, spare: [0]),
            index: 0
        )
        let clients = try #require(SocketIO.pair())
        client = clients.0
        worker.adopt(clients.1, from: .unix)
        trigger = try #require(SocketIO.pair())
        let watch = DescriptorWatch(loop: loop, descriptor: trigger.near, delegate: self)
        watch.setReading(true)
        self.watch = watch
    }

    func end() {
        worker.stop()
        watch?.close()
        for descriptor in [client, trigger.near, trigger.far] { SocketIO.close(descriptor) }
        socket.close()
        session.end(timeout: .seconds(20))
    }

    func send(_ text: String) { write(text, to: client) }

    func write(_ text: String, to descriptor: Int32) {
        #expect(Platform.write(descriptor, text, text.utf8.count) == text.utf8.count)
    }

    /// Has `body` called once the loop has looked at the descriptors, before it reads what it found: the look reports
    /// descriptors in the order in which they became readable.
    func afterNextLook(_ body: @escaping () -> Void) {
        meanwhile = body
        write("x", to: trigger.far)
    }

    func descriptorIsReadable(_ watch: DescriptorWatch) {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { _ = SocketIO.read(trigger.near, into: $0) }
        meanwhile()
    }

    func descriptorIsWritable(_ watch: DescriptorWatch) {}

    /// Runs turns until `isDone`, which is asked at the end of each.
    func run(until isDone: () -> Bool) { loop.run(until: isDone) }

    /// Runs the turn that reads what the client has sent, and begins to drain the worker at its end.
    func drainAtTurnEnd(_ completion: @escaping () -> Void) {
        var remainder: ProxyServer.Remainder?
        run {
            worker.drain(begun: { remainder = $0 }, completion: completion)
            return true
        }
        #expect(remainder?.exchanges == 1)
    }

    /// What has come to the descriptor by now; nil at its end.
    func received(_ descriptor: Int32) -> String? {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            switch SocketIO.read(descriptor, into: buffer) {
            case .moved(let count): String(decoding: UnsafeRawBufferPointer(rebasing: buffer[..<count]), as: UTF8.self)
            case .wouldBlock: ""
            case .endOfStream, .failed: nil
            }
        }
    }

    /// Runs the loop until a new connection to the upstream carries a request: that connection, and what it carries.
    func accept() -> (descriptor: Int32, request: String) {
        var descriptor: Int32 = -1
        var request = ""
        run {
            if descriptor < 0 { descriptor = Platform.accept(socket.descriptor, nil, nil) }
            guard descriptor >= 0 else { return false }
            SocketIO.setNonBlocking(descriptor)
            request += received(descriptor) ?? ""
            return request.hasSuffix("\r\n\r\n")
        }
        return (descriptor, request)
    }

    /// Answers on that connection, and runs the loop until the client has the response.
    func answer(_ descriptor: Int32, _ reason: String) -> String {
        write("HTTP/1.1 200 \(reason)\r\nContent-Length: 0\r\n\r\n", to: descriptor)
        var response = ""
        run {
            response += received(client) ?? ""
            return response.hasSuffix("\r\n\r\n")
        }
        return response
    }
}

@Suite struct ArrivalTests {
    enum Deed: String, CaseIterable {
        case ends, resets, speaks

        fileprivate func perform(_ rig: Rig, on descriptor: Int32) {
            switch self {
            case .ends: SocketIO.shutdownWriting(descriptor)
            case .resets: SocketIO.closeWithReset(descriptor)
            case .speaks: rig.write("HTTP/1.1 200 POISON\r\nContent-Length: 0\r\n\r\n", to: descriptor)
            }
        }
    }

    /// What an idle upstream connection does before a request is complete is seen, whenever the loop looked last: in the
    /// same read as the request's end comes what was sent after that look.
    @Test(
        arguments: Deed.allCases,
        [
            ("", "POST /t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
            ("P", "OST /t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
            ("POST /t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r", "\n"),
        ]
    )
    func whatAnIdleConnectionDoesBeforeARequestIsThereIsSeen(_ deed: Deed, _ parts: (String, String)) throws {
        let rig = try Rig()
        defer { rig.end() }
        rig.send("GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let (idle, _) = rig.accept()
        #expect(rig.answer(idle, "first").hasPrefix("HTTP/1.1 200 first\r\n"))
        rig.afterNextLook {
            deed.perform(rig, on: idle)
            rig.send(parts.1)
        }
        rig.send(parts.0)
        let (next, request) = rig.accept()
        #expect(request.hasPrefix("POST /t HTTP/1.1\r\n"))
        #expect(rig.answer(next, "second").hasPrefix("HTTP/1.1 200 second\r\n"))
        if deed != .resets {
            // Squire closed it, and sent nothing more before that.
            #expect(rig.received(idle) == nil)
            SocketIO.close(idle)
        }
        SocketIO.close(next)
    }

    /// A quiet one is used again.
    @Test func anIdleConnectionThatSaysNothingCarriesTheNextRequest() throws {
        let rig = try Rig()
        defer { rig.end() }
        rig.send("GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let (idle, _) = rig.accept()
        #expect(rig.answer(idle, "first").hasPrefix("HTTP/1.1 200 first\r\n"))
        for number in 2..<5 {
            rig.afterNextLook { rig.send("\r\n") }
            rig.send("POST /\(number) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n")
            var request = ""
            rig.run {
                request += rig.received(idle) ?? ""
                return request.hasSuffix("\r\n\r\n")
            }
            #expect(request.hasPrefix("POST /\(number) "))
            #expect(rig.answer(idle, "again").hasPrefix("HTTP/1.1 200 again\r\n"))
        }
        SocketIO.close(idle)
    }

    /// A request that was read, and that nobody has looked at yet, is not lost.
    @Test func whatWasReadBeforeADrainIsServed() throws {
        let rig = try Rig()
        defer { rig.end() }
        var isOver = false
        rig.afterNextLook {}
        rig.send("GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
        rig.drainAtTurnEnd { isOver = true }
        let (first, request) = rig.accept()
        #expect(request.hasPrefix("GET /t "))
        let response = rig.answer(first, "first")
        #expect(response.hasPrefix("HTTP/1.1 200 first\r\n") && response.contains("\r\nConnection: close\r\n"))
        SocketIO.close(first)
        SocketIO.shutdownWriting(rig.client)
        rig.run { isOver }
        #expect(rig.received(rig.client) == nil)
    }
}
