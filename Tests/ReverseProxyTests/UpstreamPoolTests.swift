import EventIO
import Platform
import Testing
import Upstream

@testable import ReverseProxy

/// One upstream on loopback, whose connections the kernel accepts, and a pool. The loop runs on the test's thread, and
/// only until what the test waits for has happened.
private final class Rig {
    let resources: WorkerResources
    let pool: UpstreamPool
    private let loop: EventLoop
    private let socket: ListeningSocket
    private let listens: Bool

    /// `listens` false: the upstream refuses connections.
    init(maxIdle: Int = 16, maxIdleTime: Duration = .seconds(60), listens: Bool = true) throws {
        loop = try EventLoop()
        socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        let address = try #require(SocketAddress.local(of: socket.descriptor))
        if !listens { socket.close() }
        resources = WorkerResources(
            loop: loop,
            counters: Counters(),
            generations: GenerationTable(),
            names: WorkerNames(recordings: nil, spare: [0]),
            index: 0,
            workers: 1
        )
        pool = UpstreamPool(
            resources,
            settings: UpstreamSettings(origin: "http://127.0.0.1:\(address.port)"),
            maxIdle: maxIdle,
            maxIdleTime: maxIdleTime
        )
        self.listens = listens
    }

    deinit {
        if listens { socket.close() }
    }

    /// What a worker does at the end of a turn.
    func endTurn() {
        for pool in resources.takeDuePools() { pool.turnEnded() }
    }

    /// Runs the loop until `isDone`, which is asked at the end of each turn.
    func run(until isDone: () -> Bool) {
        endTurn()
        guard !isDone() else { return }
        loop.run(endTurn: endTurn, until: isDone)
    }

    /// A connection that is made for its caller.
    func connect() throws -> UpstreamConnection {
        let waiter = Waiting(self, needsNew: true)
        run { waiter.result != nil }
        let got = try #require(try waiter.result?.get())
        #expect(!got.isReused)
        return got.connection
    }

    /// Accepts the connection that was made first, on the upstream's side.
    func accept() throws -> Int32 {
        let descriptor = Platform.accept(socket.descriptor, nil, nil)
        try #require(descriptor >= 0)
        return descriptor
    }

    func give(_ connection: UpstreamConnection) {
        pool.give(connection, now: MonotonicClock.now())
    }
}

/// An exchange that waits for a connection, and what it got.
private final class Waiting {
    private(set) var result: Result<UpstreamPool.Acquired, UpstreamError>?
    private(set) var calls = 0
    private(set) var waiter: UpstreamPool.Waiter!

    init(_ rig: Rig, needsNew: Bool = false) {
        waiter = rig.pool.wait(needsNew: needsNew) { [unowned self] in
            result = $0
            calls += 1
        }
    }

    var connection: UpstreamConnection? { try? result?.get().connection }
    var isReused: Bool? { try? result?.get().isReused }
}

@Suite struct UpstreamPoolTests {
    // MARK: Idle connections

    @Test func lastGivenIsTakenFirst() throws {
        let rig = try Rig()
        let connections = [try rig.connect(), try rig.connect()]
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) == nil)
        connections.forEach(rig.give)
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) === connections[1])
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) === connections[0])
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) == nil)
        #expect(rig.pool.connectionCount == 2 && connections.allSatisfy(\.isOpen))
        for connection in connections { connection.close() }
    }

    @Test func surplusConnectionsAreClosed() throws {
        let rig = try Rig(maxIdle: 2)
        let connections = [try rig.connect(), try rig.connect(), try rig.connect()]
        connections.forEach(rig.give)
        #expect(connections.map(\.isOpen) == [true, true, false])
        #expect(rig.pool.connectionCount == 2)
    }

    @Test func closedConnectionIsNotKept() throws {
        let rig = try Rig()
        let connection = try rig.connect()
        connection.close()
        rig.give(connection)
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) == nil && rig.pool.connectionCount == 0)
    }

    /// The loop has not handled yet what came.
    @Test(arguments: ["", "HTTP/1.1 408 Request Timeout\r\n\r\n"])
    func idleConnectionThatTheUpstreamEndedOrWroteToIsNotTaken(_ bytes: String) throws {
        let rig = try Rig()
        let (connection, other) = (try rig.connect(), try rig.connect())
        let peer = try rig.accept()
        rig.give(other)
        rig.give(connection)
        // `peer` is the first one's.
        #expect(write(peer, bytes, bytes.utf8.count) == bytes.utf8.count)
        if bytes.isEmpty { SocketIO.close(peer) }
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) === other)
        #expect(!connection.isOpen && rig.pool.connectionCount == 1)
        if !bytes.isEmpty { SocketIO.close(peer) }
        other.close()
    }

    @Test(arguments: ["", "x"]) func loopClosesIdleConnectionThatTheUpstreamEndedOrWroteTo(_ bytes: String) throws {
        let rig = try Rig()
        let connection = try rig.connect()
        let peer = try rig.accept()
        rig.give(connection)
        #expect(write(peer, bytes, bytes.utf8.count) == bytes.utf8.count)
        if bytes.isEmpty { SocketIO.close(peer) }
        rig.run { rig.pool.connectionCount == 0 }
        #expect(!connection.isOpen && rig.pool.takeIdle(now: MonotonicClock.now()) == nil)
        if !bytes.isEmpty { SocketIO.close(peer) }
    }

    // MARK: Age

    @Test func idleConnectionsAreClosedByAge() throws {
        let rig = try Rig(maxIdleTime: .seconds(60))
        let connections = [try rig.connect(), try rig.connect(), try rig.connect()]
        let second: UInt64 = 1_000_000_000
        for (index, connection) in connections.enumerated() {
            rig.pool.give(connection, now: UInt64(100 + 10 * index) * second)
        }
        rig.pool.closeOld(now: 160 * second - 1)
        #expect(connections.map(\.isOpen) == [true, true, true])
        rig.pool.closeOld(now: 170 * second - 1)
        #expect(connections.map(\.isOpen) == [false, true, true])
        rig.pool.closeOld(now: 180 * second)
        #expect(connections.map(\.isOpen) == [false, false, false])
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) == nil && rig.pool.connectionCount == 0)
    }

    /// One look closes the first; the other one's time is not over then, and needs another look.
    @Test func everyIdleConnectionComesToItsEnd() throws {
        let rig = try Rig(maxIdleTime: .milliseconds(20))
        let connections = [try rig.connect(), try rig.connect()]
        let now = MonotonicClock.now()
        rig.pool.give(connections[0], now: now)
        rig.pool.give(connections[1], now: now + 15_000_000)
        rig.run { rig.pool.connectionCount == 0 }
        #expect(connections.allSatisfy { !$0.isOpen })
    }

    @Test func closeAllLeavesNothing() throws {
        let rig = try Rig()
        let (idle, used) = (try rig.connect(), try rig.connect())
        rig.give(idle)
        rig.pool.closeAll()
        #expect(!idle.isOpen && used.isOpen && rig.pool.connectionCount == 1)
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) == nil)
        used.close()
    }

    // MARK: Waiting

    @Test func returnedConnectionsGoToTheWaitersInTheirOrder() throws {
        let rig = try Rig()
        let connections = [try rig.connect(), try rig.connect()]
        let waiting = (0..<3).map { _ in Waiting(rig) }
        connections.forEach(rig.give)
        #expect(waiting.allSatisfy { $0.result == nil })
        rig.endTurn()
        #expect(waiting.map(\.isReused) == [true, true, nil])
        #expect(waiting[0].connection === connections[1] && waiting[1].connection === connections[0])
        // Only the last one needs its own.
        #expect(rig.pool.connectionCount == 3)
        rig.run { waiting[2].result != nil }
        #expect(waiting[2].isReused == false && waiting.map(\.calls) == [1, 1, 1])
        for waiter in waiting { waiter.connection?.close() }
    }

    @Test func nobodyOvertakesAWaiter() throws {
        let rig = try Rig()
        let connection = try rig.connect()
        let waiting = Waiting(rig)
        rig.give(connection)
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) == nil)
        rig.endTurn()
        #expect(waiting.connection === connection)
        connection.close()
    }

    @Test func waiterForANewConnectionGetsNoReturnedOne() throws {
        let rig = try Rig()
        let connection = try rig.connect()
        let waiting = Waiting(rig, needsNew: true)
        rig.give(connection)
        #expect(rig.pool.takeIdle(now: MonotonicClock.now()) === connection)
        rig.give(connection)
        rig.run { waiting.result != nil }
        #expect(waiting.isReused == false && waiting.connection !== connection)
        waiting.connection?.close()
    }

    /// More than may be idle are kept while somebody waits for one.
    @Test func waiterGetsAConnectionThatWouldBeSurplus() throws {
        let rig = try Rig(maxIdle: 0)
        let connection = try rig.connect()
        let waiting = Waiting(rig)
        rig.give(connection)
        #expect(connection.isOpen)
        rig.endTurn()
        #expect(waiting.connection === connection)
        rig.give(connection)
        #expect(!connection.isOpen)
    }

    /// The waiter was served while its own connection was being made.
    @Test func connectionThatCameTooLateIsKept() throws {
        let rig = try Rig()
        let connection = try rig.connect()
        let waiting = Waiting(rig)
        rig.endTurn()
        #expect(rig.pool.connectionCount == 2)
        rig.give(connection)
        rig.endTurn()
        #expect(waiting.connection === connection)
        var late: UpstreamConnection?
        rig.run {
            late = rig.pool.takeIdle(now: MonotonicClock.now())
            return late != nil
        }
        #expect(late !== connection && late?.isOpen == true && waiting.calls == 1)
        late?.close()
        connection.close()
    }

    @Test func cancelledWaiterIsNotServed() throws {
        let rig = try Rig()
        let connection = try rig.connect()
        let (unstarted, started, last) = (Waiting(rig), Waiting(rig, needsNew: true), Waiting(rig))
        rig.pool.cancel(unstarted.waiter)
        rig.endTurn()
        #expect(rig.pool.connectionCount == 3)
        rig.pool.cancel(started.waiter)
        #expect(rig.pool.connectionCount == 2)
        rig.give(connection)
        rig.endTurn()
        #expect(last.connection === connection)
        rig.run { rig.pool.takeIdle(now: MonotonicClock.now())?.close() != nil }
        #expect(unstarted.calls == 0 && started.calls == 0 && last.calls == 1)
        connection.close()
    }

    @Test func connectionsAreStartedAFewAtATime() throws {
        let rig = try Rig()
        let waiting = (0..<20).map { _ in Waiting(rig) }
        rig.endTurn()
        #expect(rig.pool.connectionCount == UpstreamPool.startsPerTurn)
        rig.run { waiting.allSatisfy { $0.result != nil } }
        #expect(waiting.allSatisfy { $0.isReused == false && $0.calls == 1 })
        #expect(rig.pool.connectionCount == 20)
        for waiter in waiting { waiter.connection?.close() }
    }

    @Test func upstreamThatRefusesIsReportedToEachWaiter() throws {
        let rig = try Rig(listens: false)
        let waiting = (0..<10).map { _ in Waiting(rig) }
        rig.run { waiting.allSatisfy { $0.result != nil } }
        for waiter in waiting {
            guard case .failure(let error) = waiter.result else {
                Issue.record("there is a connection")
                continue
            }
            #expect(error.kind == .unreachable)
        }
        #expect(rig.pool.connectionCount == 0 && waiting.allSatisfy { $0.calls == 1 })
    }
}
