import Synchronization
import Testing
import Threads

@testable import Credentials

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

private final class TestClock: CredentialClock {
    private let seconds = Atomic<Int>(0)

    func advance(_ amount: Int) { seconds.add(amount, ordering: .sequentiallyConsistent) }
    func elapsed() -> Int64 { Int64(seconds.load(ordering: .sequentiallyConsistent)) * 1_000_000_000 }
    func wall() -> Int { 1_000_000 + seconds.load(ordering: .sequentiallyConsistent) }
}

/// Counts calls; answers when it is let go.
private final class TestSource: TokenSource, @unchecked Sendable {
    private let lock = Lock()
    private var outcomes: [RefreshOutcome]
    private var calls: [Token] = []
    let mayAnswer = Latch<Bool>()
    private let meanwhile: @Sendable () -> Void

    init(_ outcomes: [RefreshOutcome], meanwhile: @escaping @Sendable () -> Void = {}) {
        self.outcomes = outcomes
        self.meanwhile = meanwhile
    }

    func refresh(_ token: Token) -> RefreshOutcome {
        _ = mayAnswer.wait()
        meanwhile()
        return lock.withLock {
            calls.append(token)
            return outcomes.isEmpty ? .unavailable(reason: "no more", retryAfter: nil) : outcomes.removeFirst()
        }
    }

    var received: [Token] { lock.withLock { calls } }
}

private final class Events: @unchecked Sendable {
    // `@unchecked`: protected by `lock`.
    private let lock = Lock()
    private var seen: [String] = []

    func note(_ event: SessionEvent) { lock.withLock { seen.append("\(event)".prefix { $0.isLetter }.description) } }
    var texts: [String] { lock.withLock { seen } }
}

@Suite struct CredentialCacheTests {
    private func success(_ token: Token) -> RefreshOutcome {
        .refreshed(RefreshReply(token: token, body: [], contentType: "application/json"))
    }

    private func directory() -> String {
        var template = Array("/tmp/squire-credentials.XXXXXX".utf8CString)
        return String(cString: mkdtemp(&template))
    }

    private func wait(_ cache: CredentialCache, rejecting: Generation?) -> Result<Credential, CredentialFailure> {
        let latch = Latch<Result<Credential, CredentialFailure>>()
        cache.credential(rejecting: rejecting) { latch.set($0) }
        return latch.wait()
    }

    private func adopt(_ cache: CredentialCache, _ token: Token) {
        let latch = Latch<Bool>()
        cache.adopt(token, origin: .signIn) { _ in latch.set(true) }
        _ = latch.wait()
    }

    @Test func oneRefreshForEveryone() throws {
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([success(new)])
        let cache = try CredentialCache(file: nil, source: source, margin: .seconds(30), clock: TestClock())
        adopt(cache, old)
        let latches = (0..<1000).map { _ in Latch<Result<Credential, CredentialFailure>>() }
        for latch in latches { cache.credential(rejecting: cache.generation) { latch.set($0) } }
        source.mayAnswer.set(true)
        for latch in latches { #expect(try latch.wait().get().token == new) }
        #expect(source.received == [old])
        // A late refusal of the old one.
        #expect(try wait(cache, rejecting: 1).get().token == new)
        #expect(source.received.count == 1)
    }

    @Test func savedBeforeUse() throws {
        let directory = directory()
        defer { rmdir(directory) }
        let file = SessionFile(path: directory + "/sub/s.json")
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([success(new)])
        source.mayAnswer.set(true)
        let cache = try CredentialCache(file: file, source: source, margin: .seconds(30), clock: TestClock())
        adopt(cache, old)
        let saved = Latch<Token?>()
        cache.credential(rejecting: 1) { _ in saved.set((try? file.load())?.token) }
        #expect(saved.wait() == new)
        #expect(try file.load()?.refreshes == 1)
    }

    @Test func siblingsTokenIsAdopted() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([])
        source.mayAnswer.set(true)
        let cache = try CredentialCache(file: file, source: source, margin: .seconds(30), clock: TestClock())
        adopt(cache, old)
        var record = try #require(try file.load())
        record.put(new, origin: .refresh, now: 1_000_000)
        try file.save(record)
        #expect(try wait(cache, rejecting: 1).get().token == new)
        #expect(source.received.isEmpty)
    }

    @Test func lostReplyIsTriedOnceMore() throws {
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([.lost(reason: ""), success(new)])
        source.mayAnswer.set(true)
        let cache = try CredentialCache(file: nil, source: source, margin: .seconds(30), clock: TestClock())
        adopt(cache, old)
        #expect(try wait(cache, rejecting: 1).get().token == new)
        #expect(source.received == [old, old])
    }

    @Test func expiryIsJudgedFromReceipt() throws {
        let clock = TestClock()
        let cache = try CredentialCache(file: nil, source: TestSource([]), margin: .seconds(30), clock: clock)
        // The issuer's clock is a day ahead, and iat is that of an old login.
        adopt(cache, makeToken("a", life: 3600, notBefore: 1_086_400, issuedAt: 5))
        #expect(cache.status.expiresIn == 3600)
        clock.advance(600)
        #expect(cache.status.expiresIn == 3000)
    }

    @Test func damagedFileIsAnErrorAndUntouched() throws {
        let path = directory() + "/s.json"
        let file = fopen(path, "w")
        fputs("{broken", file)
        fclose(file)
        #expect(throws: SessionFileError.self) {
            try CredentialCache(file: SessionFile(path: path), source: nil, margin: .zero, clock: TestClock())
        }
    }

    /// The directory goes away after the new file was begun: the token is kept in memory, and saved when that works again.
    @Test func unsavedTokenIsSavedLater() throws {
        let directory = directory() + "/sub"
        let file = SessionFile(path: directory + "/s.json")
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([success(new)]) {
            rename(directory, directory + ".away")
            // A file in the directory's place: it cannot simply be made again.
            fclose(fopen(directory, "w"))
        }
        source.mayAnswer.set(true)
        let events = Events()
        let cache = try CredentialCache(file: file, source: source, margin: .zero, clock: TestClock()) {
            events.note($0)
        }
        adopt(cache, old)
        #expect(try wait(cache, rejecting: 1).get().token == new)
        unlink(directory)
        rename(directory + ".away", directory)
        #expect(try file.load()?.token == old)
        cache.recheckFile()
        #expect(cache.shutdown(timeout: .seconds(10)))
        #expect(try file.load()?.token == new)
        #expect(events.texts.contains("saved"))
        #expect(cache.current()?.credential.token == new)
    }

    @Test func shutdownWaitsForTheRefresh() throws {
        let new = makeToken("b")
        let file = SessionFile(path: directory() + "/s.json")
        let source = TestSource([success(new)])
        let cache = try CredentialCache(file: file, source: source, margin: .zero, clock: TestClock())
        adopt(cache, makeToken("a"))
        cache.credential(rejecting: 1) { _ in }
        #expect(!cache.shutdown(timeout: .zero))
        source.mayAnswer.set(true)
        #expect(cache.shutdown(timeout: .seconds(10)))
        #expect(try file.load()?.token == new)
    }
}
