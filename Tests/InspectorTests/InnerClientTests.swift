import EventIO
import HTTP1
import Platform
import Testing
import Threads

@testable import Inspector

/// Against a peer on a thread of the test's own.
@Suite struct InnerClientTests {
    /// Sends a request to a peer that answers with `answer`, and gives the status; nil when none came.
    private func status(
        request: [UInt8] = Array("GET / HTTP/1.1\r\n\r\n".utf8),
        isHead: Bool = false,
        answer: String,
        closes: Bool = false
    ) throws -> (status: Int?, received: Int) {
        let pair = try #require(SocketIO.pair())
        let thread = try LoopThread(name: "client")
        defer { thread.stop() }
        let ended = Latch<Int?>()
        let (loop, holder) = (thread.loop, LoopBound<InnerClient?>(nil, loop: thread.loop))
        loop.execute {
            let client = InnerClient(
                loop: loop,
                descriptor: pair.0,
                request: request,
                isHead: isHead
            ) { ended.set($0.status) }
            holder.value = client
            client.start()
        }
        // Blocking, as a slow peer is.
        _ = fcntl(pair.1, F_SETFL, 0)
        var received = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while received < request.count {
            let count = recv(pair.1, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            received += count
        }
        _ = answer.withCString { send(pair.1, $0, strlen($0), SystemConstant.noSignal) }
        if closes { SocketIO.close(pair.1) }
        let status = ended.wait()
        loop.execute { holder.value = nil }
        if !closes { SocketIO.close(pair.1) }
        return (status, received)
    }

    @Test(arguments: [
        ("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nab", 201),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
    ])
    func theEndOfTheAnswerIsTheEnd(_ answer: String, _ expected: Int) throws {
        #expect(try status(answer: answer).status == expected)
    }

    @Test func headHasNoBody() throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
        #expect(try status(isHead: true, answer: answer).status == 200)
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\n\r\nuntil the end", "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n",
    ])
    func theEndOfTheConnectionIsTheEnd(_ answer: String) throws {
        let expected = answer.hasPrefix("HTTP/1.1 200 OK\r\n\r\n") || answer.contains("chunked") ? 200 : nil
        #expect(try status(answer: answer, closes: true).status == expected)
    }

    @Test func aLargeRequestGoesWhole() throws {
        let request = [UInt8](repeating: 0x61, count: 4 * 1024 * 1024)
        let result = try status(request: request, answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        #expect(result.received == request.count)
        #expect(result.status == 200)
    }
}
