import Credentials
import EventIO
import HTTP1
import Platform
import Testing
import Threads

@testable import ReverseProxy

/// A proxy that records, between clients and an upstream that the test speaks for.
final class RecordedProxy {
    let recordings: Recordings
    let server: ProxyServer
    let session: Session
    let source: ScriptedSource
    private let upstream: ScriptedUpstream
    private let port: Int

    /// `tokens` are what the session brings, one after the other; the first is there from the start. Without any, no
    /// session is used.
    init(
        mode: Recordings.Mode = .auto,
        bodyLimit: Int = 64 * 1024,
        tokens: [String] = [],
        configure: (inout ProxyConfiguration) -> Void = { _ in },
        respond: @escaping @Sendable (String) -> ScriptedUpstream.Answer
    ) throws {
        upstream = try ScriptedUpstream(respond)
        var configuration = ProxyConfiguration(
            upstream: Origin(isSecure: false, authority: Authority(host: "127.0.0.1", port: upstream.port))
        )
        configuration.session.source = tokens.isEmpty ? .unused : .given
        configure(&configuration)
        source = ScriptedSource(Array(tokens.dropFirst()))
        session = try Session(file: nil, source: source, policy: RefreshPolicy(margin: .zero))
        if let first = tokens.first {
            let adopted = Latch<Bool>()
            session.adopt(TokenSet(accessToken: try #require(Token(first))), .signIn) { _ in adopted.set(true) }
            _ = adopted.wait()
        }
        recordings = Recordings(workers: 1, mode: mode, bodyLimit: bodyLimit)
        let context = ProxyContext(configuration: configuration, session: session, observer: nil)
        let socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        guard case .tcp(_, let port) = socket.address else { throw SystemError("no port") }
        self.port = port
        server = try ProxyServer(context: context, sockets: [socket], workers: 1, recordings: recordings)
    }

    func connect() throws -> Peer { try Peer.connect(port) }

    /// What comes to `request` until the connection ends.
    func ask(_ request: String) throws -> String {
        let client = try connect()
        client.send(request)
        return client.readToEnd()
    }

    /// Ends everything, and gives what was recorded, of each exchange in its order.
    func end() -> [[RecordedEvent]] {
        server.stop()
        upstream.stop()
        session.end(timeout: .seconds(20))
        var exchanges: [[RecordedEvent]] = []
        while recordings.drain(
            limit: 1000,
            { event in
                if let index = exchanges.firstIndex(where: { $0[0].exchange == event.exchange }) {
                    exchanges[index].append(event)
                } else {
                    exchanges.append([event])
                }
            }
        ) {}
        return exchanges
    }
}

/// Gives one token after the other.
final class ScriptedSource: TokenSource {
    let (spends, startsAlone) = (true, false)
    private let tokens: Guarded<[String]>

    init(_ tokens: [String]) {
        self.tokens = Guarded(tokens)
    }

    func get(_ held: HeldTokens) -> TokenOutcome {
        let next = tokens.with { $0.isEmpty ? nil : $0.removeFirst() }
        guard let next, let token = Token(next) else { return .unavailable(reason: "no more", retryAfter: nil) }
        return .obtained(TokenSet(accessToken: token))
    }
}

/// One end of a connection, used by one thread, blocking.
final class Peer: Sendable {
    private let socket: FileDescriptor

    init(owning number: Int32) {
        socket = FileDescriptor(owning: number)
    }

    static func connect(_ port: Int) throws -> Peer {
        let peer = Peer(owning: Platform.socket(AF_INET, SystemConstant.streamSocket, 0))
        let status = withLoopback(port) { Platform.connect(peer.socket.number, $0, $1) }
        guard status == 0 else { throw SystemError("cannot connect") }
        return peer
    }

    static func withLoopback<Result>(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    func send(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes {
            Platform.send(socket.number, $0.baseAddress, $0.count, SystemConstant.noSignal)
        }
    }

    func shutdownWriting() { SocketIO.shutdownWriting(socket.number) }

    /// What is there, at least a byte; empty at the end.
    func read() -> String {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = buffer.withUnsafeMutableBytes { SystemCall.read(socket.number, into: $0) }
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    func read(until isEnough: (String) -> Bool) -> String {
        var text = ""
        while !isEnough(text) {
            let part = read()
            if part.isEmpty { break }
            text += part
        }
        return text
    }

    func readToEnd() -> String { read { _ in false } }
}

/// An upstream: one request on each connection.
final class ScriptedUpstream: Sendable {
    enum Answer: Sendable {
        /// Written, then the connection ends.
        case text(String)
        /// In pieces, each after the other has been seen.
        case pieces([String])
        case hangUp
        /// Switches protocols; says this, then everything back until the end.
        case webSocket(String)
    }

    let port: Int
    private let listener: FileDescriptor
    private let thread: NativeThread

    init(_ respond: @escaping @Sendable (String) -> Answer) throws {
        let number = Platform.socket(AF_INET, SystemConstant.streamSocket, 0)
        guard number >= 0 else { throw SystemError("no socket") }
        listener = FileDescriptor(owning: number)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = Peer.withLoopback(0) { bind(number, $0, $1) } == 0 && listen(number, 16) == 0
        withUnsafeMutablePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        guard isBound else { throw SystemError("cannot listen") }
        port = Int(in_port_t(bigEndian: address.sin_port))
        let thread = NativeThread(name: "upstream") {
            while true {
                let connection = accept(number, nil, nil)
                guard connection >= 0 else { return }
                let peer = Peer(owning: connection)
                // Each on its own: one may be open while others come.
                NativeThread(name: "upstream") { Self.serve(peer, respond) }?.detach()
            }
        }
        guard let thread else { throw SystemError("no thread") }
        self.thread = thread
    }

    func stop() {
        shutdown(listener.number, Int32(SHUT_RDWR))
        thread.join()
    }

    private static func serve(_ peer: Peer, _ respond: (String) -> Answer) {
        let request = peer.read(until: isComplete)
        guard !request.isEmpty else { return }
        switch respond(request) {
        case .text(let text): peer.send(text)
        case .pieces(let texts): for text in texts { peer.send(text) }
        case .hangUp: return
        case .webSocket(let greeting):
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" + greeting
            )
            while case let text = peer.read(), !text.isEmpty { peer.send(text) }
        }
    }

    private static func isComplete(_ text: String) -> Bool {
        guard let end = text.range(of: "\r\n\r\n") else { return false }
        let head = text[..<end.lowerBound].lowercased()
        if head.contains("transfer-encoding: chunked") { return text.hasSuffix("0\r\n\r\n") }
        guard let field = head.range(of: "content-length: ") else { return true }
        let length = Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
        return text[end.upperBound...].utf8.count >= length
    }
}

extension String {
    /// The first place of `other`.
    func range(of other: String) -> Range<String.Index>? { firstRange(of: other) }
}

extension RecordedEvent {
    /// What it is, in a word or two, for comparing.
    var word: String {
        switch what {
        case .began(let beginning): beginning.isLate ? "late" : "began"
        case .requestHead: "request"
        case .sentHead: "sent"
        case .sent: "through"
        case .requestBody: "up"
        case .attempt(let number, let generation): "attempt \(number)/\(generation)"
        case .connected: "connected"
        case .interim(let status): "interim \(status)"
        case .responseHead: "head"
        case .responseBody: "down"
        case .progress: "progress"
        case .held: "held"
        case .relayedHeld: "relayed"
        case .tokenWait(let need, let awaited): "wait \(need) \(awaited)"
        case .tokenArrived(.token(let generation)): "token \(generation)"
        case .tokenArrived(.failed): "no token"
        case .tokenArrived(let arrival): "\(arrival)"
        case .ownAnswer(let status, _, _, let code): "own \(status) \(code ?? "-")"
        case .tunnelOpened: "tunnel"
        case .tunnelData(let isFromClient, _): isFromClient ? "client" : "upstream"
        case .ended(let ending): "ended \(ending.status) \(ending.outcome.rawValue)"
        case .lost: "lost"
        }
    }

    /// Its octets as text.
    var text: String {
        switch what {
        case .requestHead(let octets, _), .sentHead(let octets, _, _, _), .requestBody(let octets),
            .responseHead(let octets),
            .responseBody(let octets), .ownAnswer(_, _, let octets, _), .tunnelData(_, let octets):
            String(decoding: octets, as: UTF8.self)
        default: ""
        }
    }
}

extension [RecordedEvent] {
    /// Each kind once in a row: how a body was cut says nothing, and an answer may come before the request is through.
    var words: [String] {
        map(\.word).filter { $0 != "through" }.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }

    func text(_ word: String) -> String { filter { $0.word == word }.map(\.text).joined() }

    var ending: RecordedEvent.Ending? {
        if case .ended(let ending)? = last?.what { ending } else { nil }
    }

    var beginning: RecordedEvent.Beginning? {
        if case .began(let beginning)? = first?.what { beginning } else { nil }
    }
}
