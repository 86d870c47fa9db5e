import Platform
import TestFiles
import Testing
import Threads

@testable import Credentials

/// Shows the time at which files are written, moved by `later` seconds. Calls `looked` with the number of each look.
private struct LookedAtClock: CredentialClock {
    let later = Guarded(0)
    let looks = Guarded(0)
    var looked: @Sendable (Int) -> Void = { _ in }

    func elapsed() -> Int64 { 0 }

    func wall() -> Int {
        looked(
            looks.with {
                $0 += 1
                return $0
            }
        )
        return WallClock.now().seconds + later.with { $0 }
    }
}

/// A program that takes no lock writes into the session file, and takes its time.
@Suite struct SlowWriterTests {
    private let file = SessionFile(path: TestDirectory.make() + "/s.json")

    private func bytes(_ name: String) throws -> [UInt8] {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: try #require(Token(name))), .given, now: 1_000_000)
        return record.serialized()
    }

    /// Returns the open file.
    private func begin(_ bytes: some Collection<UInt8>) throws -> Int32 {
        let file = unsafe open(file.path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(file >= 0)
        #expect(unsafe Array(bytes).withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) } == bytes.count)
        return file
    }

    @Test(arguments: [true, false]) func aStartWaits(_ onlyLooks: Bool) throws {
        let all = try bytes("new")
        let writer = try begin(all[..<20])
        let clock = LookedAtClock { look in
            guard look == 2 else { return }
            let thread = NativeThread(name: "writer") {
                _ = unsafe all[20...].withUnsafeBytes { unsafe write(writer, $0.baseAddress, $0.count) }
                close(writer)
            }
            thread?.detach()
        }
        #expect(try Session(file: file, source: nil, onlyLooks: onlyLooks, clock: clock).token == Token("new"))
    }

    /// One that was left so is damaged, and nobody waits for it.
    @Test func whatWasCutLongAgoIsDamaged() throws {
        close(try begin(bytes("new")[..<20]))
        let clock = LookedAtClock()
        clock.later.with { $0 = 10 }
        #expect {
            _ = try Session(file: file, source: nil, clock: clock)
        } throws: { "\($0)".contains("damaged") }
        // The second look is that of the session's end.
        #expect(clock.looks.with { $0 } == 2)
    }

    @Test func aRunningSessionLooksAgain() throws {
        close(try begin(bytes("old")))
        let (clock, told) = (LookedAtClock(), Guarded<[String]>([]))
        let session = try Session(file: file, source: nil, clock: clock) { event in
            if case .fileUnreadable(let reason) = event { told.with { $0.append(reason) } }
        }
        let all = try bytes("new")
        close(try begin(all[..<20]))
        for _ in 0..<2 { session.recheckNow() }
        #expect(session.token == Token("old") && told.with { $0.isEmpty })
        #expect(session.status.fileProblem?.contains("being written") == true)
        clock.later.with { $0 = 10 }
        session.recheckNow()
        #expect(told.with { $0.count == 1 && $0[0].contains("Move it away") })
        close(try begin(all))
        session.recheckNow()
        #expect(session.token == Token("new") && session.status.fileProblem == nil)
        #expect(session.end(timeout: .seconds(10)) == nil)
    }
}
