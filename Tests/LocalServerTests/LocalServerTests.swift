import EventIO
import LocalServer
import Platform
import Testing
import Threads

/// A server on a thread of its own, and clients that are plain sockets.
@Suite struct LocalServerTests {
    @Test func requestsInARowAreAnsweredInOrder() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send(
            "GET /echo/1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo/2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
        )
        client.send("abc")
        client.send("GET /echo/3 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.endSending()
        let all = client.readAll()
        #expect(all.components(of: "HTTP/1.1 200 OK") == 3)
        let bodies = ["GET /echo/1 ;", "POST /echo/2 abc;", "GET /echo/3 ;"]
        #expect(bodies.allSatisfy { all.components(of: $0) == 1 })
    }

    /// What comes after the last response is no request any more.
    @Test func nothingIsServedAfterTheLastResponse() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("GET /echo/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(client.read(until: "GET /echo/1 ;").components(of: "Connection: close") == 1)
        client.send("GET /echo/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(client.readAll() == "")
        #expect(server.served == ["/echo/1"])
    }

    @Test(arguments: [
        ("BROKEN\r\n\r\n", "400"),
        ("POST /echo/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"),
        ("POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
    ])
    func requestThatCannotBeReadIsRefused(_ text: String, _ status: String) throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send(text + "GET /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(client.readAll().hasPrefix("HTTP/1.1 \(status) "))
        #expect(server.served == [])
    }

    @Test func bodyTooLargeIsRefused() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("POST /echo/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = "100000\r\n" + String(repeating: "x", count: 1 << 20) + "\r\n"
        for _ in 0..<8 { client.send(chunk) }
        client.send("10\r\n0123456789abcdef\r\n")
        #expect(client.readAll().hasPrefix("HTTP/1.1 413 "))
        #expect(server.served == [])
    }

    /// A handler that answers twice, or late, answers nobody else's request.
    @Test func responderAnswersItsOwnRequestOnly() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("GET /twice HTTP/1.1\r\nHost: x\r\n\r\nGET /later HTTP/1.1\r\nHost: x\r\n\r\n")
        let text = client.read(until: "later;")
        #expect(text.components(of: "HTTP/1.1 ") == 2 && text.components(of: "once;") == 1)
    }

    // MARK: Slow and silent clients

    /// Silent from the start, in a head, in a body, and one that sends too little.
    @Test(arguments: ["", "GET /echo/1 HT", "POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nabc"])
    func silentClientIsClosed(_ start: String) throws {
        let server = try TestServer(period: .milliseconds(50))
        let client = try server.connect()
        client.send(start)
        #expect(client.readAll() == "")
    }

    @Test func clientThatTricklesIsClosed() throws {
        let server = try TestServer(period: .milliseconds(100))
        let client = try server.connect()
        client.send("POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
        // A byte a millisecond: always something, and never enough.
        var sent = 0
        while sent < 20_000, client.send("x") {
            sent += 1
            if client.isReadable(milliseconds: 1) { break }
        }
        #expect(sent < 20_000)
        #expect(client.readAll() == "")
    }

    /// A response that nobody reads ends; a handler that takes its time does not.
    @Test func clientThatDoesNotReadIsClosed() throws {
        let server = try TestServer(period: .milliseconds(50))
        let client = try server.connect()
        // More than the kernel keeps for a client, whatever its buffers grow to.
        client.send("GET /pattern/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.waitUntilEmpty()
        #expect(client.countAll() < 1_000_000_000)
    }

    @Test func slowHandlerIsWaitedFor() throws {
        let server = try TestServer(period: .milliseconds(10))
        let client = try server.connect()
        client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(client.read(until: "slow;").hasPrefix("HTTP/1.1 200 "))
    }

    // MARK: Streams

    /// All that `write` took arrives, in order and without a hole; what it did not take it said so.
    @Test func streamLosesNothingInSilence() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        // The handler has met `full` before anything is read.
        #expect(server.wasFull.wait())
        let all = client.readAll()
        let body = all.dechunked
        #expect(body == (1...StreamingHandler.pieces).map(StreamingHandler.piece).joined())
        #expect(all.hasSuffix("0\r\n\r\n"))
    }

    /// To HTTP/1.0 nothing is chunked (RFC 9112 section 7.1).
    @Test func streamToAnOldClientIsNotChunked() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("GET /short HTTP/1.0\r\n\r\n")
        let text = client.readAll()
        #expect(text.components(of: "Transfer-Encoding") == 0 && text.hasSuffix("\r\n\r\none;two;"))
    }

    @Test func streamForHEADHasNoBody() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("HEAD /short HTTP/1.1\r\nHost: x\r\n\r\n")
        client.send("GET /echo/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let text = client.readAll()
        #expect(text.components(of: "one;") == 0 && text.components(of: "GET /echo/1 ;") == 1)
    }

    /// Whoever waits for room hears that the client is gone.
    @Test func waitingWriterHearsOfTheEnd() throws {
        let server = try TestServer(period: .milliseconds(50))
        let client = try server.connect()
        client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(server.wasGone.wait())
        _ = client
    }

    /// A dropped stream does not look complete.
    @Test func droppedStreamIsCut() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("GET /dropped HTTP/1.1\r\nHost: x\r\n\r\n")
        let text = client.readAll()
        #expect(text.components(of: "one;") == 1 && !text.hasSuffix("0\r\n\r\n"))
    }

    @Test func noContentHasNoBody() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("GET /204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let text = client.readAll()
        #expect(text.hasPrefix("HTTP/1.1 204 ") && text.hasSuffix("\r\n\r\n"))
    }

    // MARK: Refusals, and too many clients

    /// What is refused by its head is refused before its body comes, and what else the client says is no request.
    @Test func refusedRequestIsNotRead() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        let text = client.readAll()
        #expect(text.hasPrefix("HTTP/1.1 403 ") && text.components(of: "100 Continue") == 0)
        let other = try server.connect()
        other.send("GET /refused HTTP/1.1\r\nHost: x\r\n\r\nGET /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(other.read(until: "GET /echo/1 ;").components(of: "HTTP/1.1 ") == 2)
        #expect(server.served == ["/echo/1"])
    }

    @Test func bodyThatIsAnnouncedAsTooLargeIsNotRead() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send("POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 8388609\r\n\r\n")
        #expect(client.readAll().hasPrefix("HTTP/1.1 413 "))
    }

    /// Silent clients keep nobody out: the one that has been silent for longest goes.
    @Test func silentClientsMakeRoom() throws {
        let server = try TestServer(maxConnections: 3)
        let silent = try (0..<3).map { _ in try server.connect() }
        // All three are there.
        silent[2].send("GET /echo/0 HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = silent[2].read(until: "GET /echo/0 ;")
        let client = try server.connect()
        client.send("GET /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(client.read(until: "GET /echo/1 ;").hasPrefix("HTTP/1.1 200 "))
        #expect(silent[0].readAll() == "")
        silent[1].send("GET /echo/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(silent[1].read(until: "GET /echo/2 ;").hasPrefix("HTTP/1.1 200 "))
    }

    /// Who is being served stays, and the next one waits for the end of one.
    @Test func busyClientsAreWaitedFor() throws {
        let server = try TestServer(maxConnections: 2)
        let busy = try (0..<2).map { _ in try server.connect() }
        for client in busy { client.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }
        while server.served.count < 2 { usleep(1000) }
        let client = try server.connect()
        client.send("GET /echo/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(client.readAll().hasSuffix("GET /echo/1 ;"))
        for client in busy { #expect(client.readAll().hasSuffix("slow;")) }
    }
}
