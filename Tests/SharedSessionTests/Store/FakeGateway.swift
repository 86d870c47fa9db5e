import Platform
import Threads

/// A server on loopback that speaks HTTP by hand, one request a connection, and answers what a test says. It hangs up on TLS.
final class FakeGateway: Sendable {
    struct Asked: Sendable {
        var method: String
        /// With the query.
        var path: String
        /// Of `Authorization`; nil without it.
        var token: String?
        /// Of `Content-Type`.
        var type: String?
        var body: String
    }

    enum Reply: Sendable {
        case answer(Int, String)
        /// With more fields, each a line.
        case detailed(Int, [String], String)
        /// Status 200 and these chunks; then the connection ends, or stays open until the gateway stops.
        case chunks([String], ends: Bool)
        /// Status 200 and what the test sends, each a chunk, until it returns. Sending says whether anybody listens.
        case stream(@Sendable (_ send: (String) -> Bool) -> Void)
        /// No answer until the gateway stops.
        case silence
        /// The connection is closed without an answer.
        case close
    }

    let url: String
    private let asked = Guarded<[Asked]>([])
    private let listener: Int32
    private let threads = Guarded<[NativeThread]>([])
    private let isStopped = Guarded(false)

    /// `handle` runs on the connection's thread; the number counts requests for the same path, from 0.
    init(_ handle: @escaping @Sendable (Asked, Int) -> Reply) {
        let listener = socket(AF_INET, SystemConstant.streamSocket, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(listener, $0, size) == 0 && listen(listener, 16) == 0)
                precondition(getsockname(listener, $0, &size) == 0)
            }
        }
        self.listener = listener
        url = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        let accepting = NativeThread(name: "gateway") { [self] in
            while Self.isReadable(listener, isStopped) {
                let connection = accept(listener, nil, nil)
                let thread = NativeThread(name: "gateway-conn") { [self] in serve(connection, handle) }
                threads.with { $0.append(thread!) }
            }
        }
        threads.with { $0.append(accepting!) }
    }

    func stop() {
        isStopped.with { $0 = true }
        while let thread = threads.with({ $0.popLast() }) { thread.join() }
        close(listener)
    }

    func count(_ path: String) -> Int { asked.with { $0.filter { $0.path == path }.count } }
    var requests: [Asked] { asked.with { $0 } }

    /// False when the gateway stops.
    private static func isReadable(_ descriptor: Int32, _ isStopped: Guarded<Bool>) -> Bool {
        while !isStopped.with({ $0 }) {
            var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&polled, 1, 20) > 0 { return true }
        }
        return false
    }

    private func serve(_ connection: Int32, _ handle: (Asked, Int) -> Reply) {
        defer { close(connection) }
        guard let request = receive(connection) else { return }
        let number = asked.with { asked in
            defer { asked.append(request) }
            return asked.filter { $0.path == request.path }.count
        }
        switch handle(request, number) {
        case .answer(let status, let body): answer(connection, status, [], body)
        case .detailed(let status, let fields, let body): answer(connection, status, fields, body)
        case .stream(let write):
            send(connection, Self.streamHead)
            write { chunk in
                if !chunk.isEmpty { send(connection, Self.chunk(chunk)) }
                return isOpen(connection)
            }
            send(connection, "0\r\n\r\n")
        case .chunks(let chunks, let ends):
            send(connection, Self.streamHead)
            for chunk in chunks {
                send(connection, Self.chunk(chunk))
                // So that each is a read of its own.
                usleep(5_000)
            }
            if ends { send(connection, "0\r\n\r\n") } else { wait() }
        case .silence: wait()
        case .close: break
        }
    }

    private static let streamHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    private static func chunk(_ text: String) -> String {
        String(text.utf8.count, radix: 16) + "\r\n\(text)\r\n"
    }

    private func answer(_ connection: Int32, _ status: Int, _ fields: [String], _ body: String) {
        let lines = ["HTTP/1.1 \(status) X", "Content-Length: \(body.utf8.count)", "Connection: close"] + fields
        send(connection, lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    /// False when the client has closed the connection, or the gateway stops.
    private func isOpen(_ connection: Int32) -> Bool {
        var polled = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) == 0 && !isStopped.with { $0 }
    }

    private func wait() {
        while !isStopped.with({ $0 }) { usleep(5_000) }
    }

    private func send(_ connection: Int32, _ text: String) {
        _ = Array(text.utf8).withUnsafeBytes {
            Platform.send(connection, $0.baseAddress, $0.count, SystemConstant.noSignal)
        }
    }

    private func receive(_ connection: Int32) -> Asked? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while Self.isReadable(connection, isStopped) {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
            // The record of a TLS handshake (RFC 8446, 5.1): hung up on, as by a server that dies there.
            if bytes[0] == 22 { return nil }
            let text = String(decoding: bytes, as: UTF8.self)
            let parts = text.components(separatedBy: "\r\n\r\n")
            guard parts.count == 2 else { continue }
            let lines = parts[0].components(separatedBy: "\r\n")
            func field(_ name: String) -> String? {
                lines.first { $0.hasPrefix("\(name): ") }.map { String($0.dropFirst(name.count + 2)) }
            }
            guard parts[1].utf8.count >= Int(field("Content-Length") ?? "0") ?? 0 else { continue }
            let words = lines[0].split(separator: " ").map(String.init)
            return Asked(
                method: words[0],
                path: words[1],
                token: field("Authorization"),
                type: field("Content-Type"),
                body: parts[1]
            )
        }
        return nil
    }
}

extension String {
    /// As Foundation's.
    func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
