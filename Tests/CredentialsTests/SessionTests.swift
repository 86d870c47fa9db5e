import Platform
import Support
import Synchronization
import TestFiles
import Testing
import Threads

@testable import Credentials

private final class TestClock: CredentialClock {
    private let seconds = Atomic<Int>(0)
    private let offset = Atomic<Int>(0)

    func advance(_ amount: Int) { seconds.add(amount, ordering: .sequentiallyConsistent) }
    func elapsed() -> Int64 { Int64(seconds.load(ordering: .sequentiallyConsistent)) * 1_000_000_000 }
    func wall() -> Int {
        1_000_000 + seconds.load(ordering: .sequentiallyConsistent) + offset.load(ordering: .sequentiallyConsistent)
    }

    /// Somebody sets the wall clock.
    func jump(_ amount: Int) { offset.add(amount, ordering: .sequentiallyConsistent) }
}

/// Counts calls; answers when it is let go.
private final class TestSource: TokenSource {
    let (spends, startsAlone) = (true, false)
    private let shared: Guarded<(outcomes: [TokenOutcome], calls: [Token])>
    let mayAnswer = Latch<Bool>()
    private let meanwhile: @Sendable () -> Void

    init(_ outcomes: [TokenOutcome], meanwhile: @escaping @Sendable () -> Void = {}) {
        shared = Guarded((outcomes, []))
        self.meanwhile = meanwhile
    }

    func get(_ held: HeldTokens) -> TokenOutcome {
        _ = mayAnswer.wait()
        meanwhile()
        return shared.with { shared in
            shared.calls += held.accessToken.map { [$0] } ?? []
            return shared.outcomes.isEmpty
                ? .unavailable(reason: "no more", retryAfter: nil) : shared.outcomes.removeFirst()
        }
    }

    var received: [Token] { shared.with { $0.calls } }
}

private final class Events: Sendable {
    private let seen = Guarded<[String]>([])

    func note(_ event: SessionEvent) { seen.with { $0.append("\(event)".prefix { $0.isLetter }.description) } }
    var texts: [String] { seen.with { $0 } }
}

extension Grant {
    fileprivate var result: Result<Credential, CredentialFailure> {
        switch self {
        case .use(let credential, _), .useAfter(_, let credential): .success(credential)
        case .failed(let failure): .failure(failure)
        }
    }
}

@Suite struct SessionTests {
    private func success(_ token: Token) -> TokenOutcome {
        .obtained(TokenSet(accessToken: token))
    }

    private func directory() -> String {
        TestDirectory.make()
    }

    private func wait(_ cache: Session, rejecting: Generation?) -> Result<Credential, CredentialFailure> {
        let latch = Latch<Result<Credential, CredentialFailure>>()
        cache.credential(for: Inquiry(rejection: rejecting.map { Rejection(generation: $0) })) {
            latch.set($0.result)
        }
        return latch.wait()
    }

    private func adopt(_ cache: Session, _ token: Token) {
        let latch = Latch<Bool>()
        cache.adopt(TokenSet(accessToken: token), .signIn) { _ in latch.set(true) }
        _ = latch.wait()
    }

    @Test func oneRefreshForEveryone() throws {
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([success(new)])
        let cache = try Session(
            file: nil,
            source: source,
            policy: RefreshPolicy(margin: .seconds(30)),
            clock: TestClock()
        )
        adopt(cache, old)
        let latches = (0..<1000).map { _ in Latch<Result<Credential, CredentialFailure>>() }
        for latch in latches {
            cache.credential(for: Inquiry(rejection: Rejection(generation: cache.generation))) { latch.set($0.result) }
        }
        source.mayAnswer.set(true)
        for latch in latches { #expect(try latch.wait().get().token == new) }
        #expect(source.received == [old])
        // A late refusal of the old one.
        #expect(try wait(cache, rejecting: 1).get().token == new)
        #expect(source.received.count == 1)
    }

    /// Who meets the new token's rejection before the request that led is back waits for that, and no longer.
    @Test(arguments: [true, false]) func whatBecomesOfTheOneThatLed(_ isAccepted: Bool) throws {
        let (old, new, newer) = (makeToken("a"), makeToken("b"), makeToken("c"))
        let source = TestSource([success(new), success(newer)])
        source.mayAnswer.set(true)
        let session = try Session(
            file: nil,
            source: source,
            policy: RefreshPolicy(margin: .seconds(30)),
            clock: TestClock()
        )
        adopt(session, old)
        #expect(try wait(session, rejecting: 1).get().token == new)
        let other = Latch<Result<Credential, CredentialFailure>>()
        session.credential(for: Inquiry(rejection: Rejection(generation: 2))) { other.set($0.result) }
        #expect(source.received.count == 1)
        if isAccepted {
            session.accepted(route: 0, epoch: session.epoch(of: 2))
            #expect(try other.wait().get().token == newer)
        } else {
            let rejection = Rejection(generation: 2, ledRefresh: true, mayRefresh: false)
            session.credential(for: Inquiry(rejection: rejection)) { _ in }
            guard case .failure(.paused) = other.wait() else { return #expect(Bool(false)) }
            #expect(source.received.count == 1)
        }
    }

    /// What was sent before the token died says nothing of it; the try does.
    @Test func aLateAcceptanceRevivesNothing() throws {
        let source = TestSource([.refused(reason: "status 401", status: 401)])
        source.mayAnswer.set(true)
        let session = try Session(
            file: nil,
            source: source,
            policy: RefreshPolicy(margin: .zero, trialInterval: .zero),
            clock: TestClock()
        )
        adopt(session, makeToken("a"))
        let early = session.epoch(of: 1)
        session.accepted(route: 7, epoch: early)
        let refused = Latch<Grant>()
        let rejection = Rejection(generation: 1)
        session.credential(for: Inquiry(route: 7, rejection: rejection)) { refused.set($0) }
        guard case .failed(.loginNeeded) = refused.wait() else { return #expect(Bool(false)) }
        session.accepted(route: 8, epoch: early)
        #expect(session.status.state == .loginNeeded)
        let tried = Latch<Grant>()
        session.credential(for: Inquiry(route: 9)) { tried.set($0) }
        guard case .use = tried.wait() else { return #expect(Bool(false)) }
        session.accepted(route: 9, epoch: session.epoch(of: 1))
        #expect(session.status.state == .usable && session.epoch(of: 1) != early && session.epoch(of: 2) == 0)
    }

    @Test func savedBeforeUse() throws {
        let directory = directory()
        let file = SessionFile(path: directory + "/sub/s.json")
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([success(new)])
        source.mayAnswer.set(true)
        let cache = try Session(
            file: file,
            source: source,
            policy: RefreshPolicy(margin: .seconds(30)),
            clock: TestClock()
        )
        adopt(cache, old)
        let saved = Latch<Token?>()
        cache.credential(for: Inquiry(rejection: Rejection(generation: 1))) { _ in
            saved.set((try? file.load())?.record.token)
        }
        #expect(saved.wait() == new)
        #expect(try file.load()?.record.refreshes == 1)
    }

    @Test func siblingsTokenIsAdopted() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([])
        source.mayAnswer.set(true)
        let cache = try Session(
            file: file,
            source: source,
            policy: RefreshPolicy(margin: .seconds(30)),
            clock: TestClock()
        )
        adopt(cache, old)
        var record = try #require(try file.load()).record
        record.put(TokenSet(accessToken: new), .refresh, now: 1_000_000)
        try file.save(record)
        #expect(try wait(cache, rejecting: 1).get().token == new)
        #expect(source.received.isEmpty)
    }

    @Test func lostReplyIsTriedOnceMore() throws {
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([.lost(reason: ""), success(new)])
        source.mayAnswer.set(true)
        let cache = try Session(
            file: nil,
            source: source,
            policy: RefreshPolicy(margin: .seconds(30)),
            clock: TestClock()
        )
        adopt(cache, old)
        #expect(try wait(cache, rejecting: 1).get().token == new)
        #expect(source.received == [old, old])
    }

    @Test func expiryIsJudgedFromReceipt() throws {
        let clock = TestClock()
        let cache = try Session(
            file: nil,
            source: TestSource([]),
            policy: RefreshPolicy(margin: .seconds(30)),
            clock: clock
        )
        // The issuer's clock is a day ahead, and iat is that of an old login.
        adopt(cache, makeToken("a", life: 3600, notBefore: 1_086_400, issuedAt: 5))
        #expect(cache.status.expiresIn == 3600)
        clock.advance(600)
        #expect(cache.status.expiresIn == 3000)
    }

    /// The wall clock may be set by a day either way: the token lives as long as it lives, and a process that starts
    /// then refreshes once.
    @Test(arguments: [86_400, -86_400]) func wallClockJumps(_ jump: Int) throws {
        let clock = TestClock()
        let file = SessionFile(path: directory() + "/s.json")
        let outcomes = (0..<3).map { success(makeToken("new\($0)")) }
        let source = TestSource(outcomes)
        source.mayAnswer.set(true)
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .seconds(30)), clock: clock)
        adopt(cache, makeToken("a", life: 3600))
        clock.jump(jump)
        #expect(cache.status.expiresIn == 3600)
        cache.recheckNow()
        #expect(try wait(cache, rejecting: nil).get().token == makeToken("a", life: 3600))
        #expect(source.received.isEmpty)
        let other = try Session(file: file, source: source, policy: RefreshPolicy(margin: .seconds(30)), clock: clock)
        for _ in 0..<3 { _ = try wait(other, rejecting: nil).get() }
        #expect(source.received.count == (jump > 0 ? 1 : 0))
        // One whose end seems a day further away than it is dies by being refused, as any other.
        let current = try #require(other.token)
        #expect(try wait(other, rejecting: other.generation).get().token != current)
    }

    @Test func failedEarlyRefreshFailsNoRequest() throws {
        let clock = TestClock()
        let source = TestSource([
            .unavailable(reason: "status 503", retryAfter: 60), .refused(reason: "status 401", status: 401),
        ])
        source.mayAnswer.set(true)
        let cache = try Session(file: nil, source: source, policy: RefreshPolicy(margin: .seconds(30)), clock: clock)
        adopt(cache, makeToken("a", life: 3600))
        clock.advance(3580)
        #expect(try wait(cache, rejecting: nil).get().generation == 1)
        clock.advance(15)
        #expect(try wait(cache, rejecting: nil).get().generation == 1)
        clock.advance(60)
        guard case .failure(.loginNeeded(let story?)) = wait(cache, rejecting: nil) else { return #expect(Bool(false)) }
        #expect(story.contains("refused"))
    }

    @Test func damagedFileIsAnErrorAndUntouched() throws {
        let path = directory() + "/s.json"
        let file = fopen(path, "w")
        fputs("{broken", file)
        fclose(file)
        #expect(throws: SessionFileError.self) {
            try Session(
                file: SessionFile(path: path),
                source: nil,
                policy: RefreshPolicy(margin: .zero),
                clock: TestClock()
            )
        }
    }

    /// The directory goes away after the new file was begun: the token is kept in memory, and saved when that works
    /// again.
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
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock()) {
            events.note($0)
        }
        adopt(cache, old)
        #expect(try wait(cache, rejecting: 1).get().token == new)
        unlink(directory)
        rename(directory + ".away", directory)
        #expect(try file.load()?.record.token == old)
        cache.recheckFile()
        #expect(cache.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record.token == new)
        #expect(events.texts.contains("saved"))
        #expect(cache.current()?.credential.token == new)
    }

    @Test func shutdownWaitsForTheRefresh() throws {
        let new = makeToken("b")
        let file = SessionFile(path: directory() + "/s.json")
        let source = TestSource([success(new)])
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        cache.credential(for: Inquiry(rejection: Rejection(generation: 1))) { _ in }
        #expect(cache.end(timeout: .zero) != nil)
        source.mayAnswer.set(true)
        #expect(cache.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record.token == new)
    }

    // MARK: What is there before and after

    @Test(
        arguments: [
            (Int.max, 0), (Int.max, nil), (Int.min, nil), (0, 0), (5, 10), (1_000_000, 1_000_000),
        ] as [(Int, Int?)]
    )
    func absurdClaims(_ expiry: Int, _ notBefore: Int?) throws {
        let start = notBefore.map { #""nbf":\#($0),"# } ?? ""
        let claims = Base64URL.encode(Array(#"{\#(start)"exp":\#(expiry),"iat":1e300,"sub":"7"}"#.utf8))
        let token = try #require(Token("e30.\(claims).c2ln"))
        for source in [SessionRecord.Arrival.given, .signIn, .refresh] {
            var record = SessionRecord()
            record.put(TokenSet(accessToken: token), source, now: 1_000_000)
            var state = CredentialState(policy: RefreshPolicy(), canRefresh: true)
            state.publish(record, canRefresh: true, now: Instant(elapsed: 0, wall: 1_000_000))
            _ = state.decide(Inquiry(), now: .max / 2)
            // One that was just made is used, whatever it says of itself.
            if source != .given { #expect(state.isUsable(now: 0)) }
        }
    }

    /// An editor replaced the token alone: what is said beside it belongs to the former one.
    @Test func tokenPutInByHand() throws {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("a")), .signIn, upstream: "https://a.example", now: 1_000_000)
        record.isRefreshDenied = true
        let text = String(decoding: record.serialized(), as: UTF8.self)
        let other = makeToken("b", notBefore: 2_000_000)
        let edited = try #require(
            SessionRecord(parsing: Array(text.replacing(makeToken("a").value, with: other.value).utf8))
        )
        #expect(edited.token == other && !edited.isRefreshDenied)
        // The file is still that API's.
        #expect(edited.origin == "https://a.example")
        #expect(edited.expiresAt == 2_003_600)
        #expect(edited.lineage != record.lineage)
        var refreshed = edited
        refreshed.put(TokenSet(accessToken: makeToken("c")), .refresh, now: 1_000_000)
        #expect(refreshed.lineage == edited.lineage)
    }

    @Test func leftoverRecordIsTakenUp() throws {
        let file = SessionFile(path: directory() + "/s.json")
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("a")), .signIn, now: 1_000_000)
        try file.save(record)
        // As a process leaves it that dies between writing and renaming.
        record.put(TokenSet(accessToken: makeToken("b")), .refresh, now: 1_000_000)
        try leave(record.serialized() + [UInt8](repeating: 0x20, count: 1000), file)
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        #expect(cache.token == makeToken("b"))
        #expect(try file.load()?.record.token == makeToken("b"))
        #expect(!file.hasLeftover)
    }

    @Test(arguments: ["rubbish", "", #"{"token":"x"}"#]) func otherLeftoversGo(_ text: String) throws {
        let file = SessionFile(path: directory() + "/s.json")
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("a")), .signIn, now: 1_000_000)
        try file.save(record)
        try leave(Array(text.utf8), file)
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        #expect(cache.token == makeToken("a"))
        #expect(!file.hasLeftover)
    }

    /// The journal tells an answer that was lost in a crash from a plain refusal.
    @Test func crashDuringARefresh() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let old = makeToken("a")
        var record = SessionRecord()
        record.put(TokenSet(accessToken: old), .signIn, now: 1_000_000)
        try file.save(record)
        // The writer is dead: nobody has it open.
        _ = try file.prepare(.init(fingerprint: old.fingerprint, at: 999_000, cause: .rejected))
        let source = TestSource([.refused(reason: "status 401", status: 401)])
        source.mayAnswer.set(true)
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        #expect(cache.status.lastRefresh?.outcome == .interrupted && !file.hasLeftover)
        guard case .failure(.loginNeeded(let story?)) = wait(cache, rejecting: 1) else { return #expect(Bool(false)) }
        #expect(story.contains("\(UTCTime.text(999_000)) was lost (Squire was stopped"))
        // It is remembered.
        let next = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        #expect(next.status.advice?.contains("was lost") == true && next.status.state == .loginNeeded)
    }

    private func leave(_ bytes: [UInt8], _ file: SessionFile) throws {
        let handle = try #require(fopen(file.directory + "/.s.json.new", "w"))
        fwrite(bytes, 1, bytes.count, handle)
        fclose(handle)
    }

    @Test func unreadableFileIsNeitherOverwrittenNorBelieved() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let source = TestSource([])
        source.mayAnswer.set(true)
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        try rubbish(file)
        cache.recheckNow()
        #expect(cache.token == makeToken("a") && !cache.status.isReady)
        guard case .failure(.notWritable) = wait(cache, rejecting: 1) else { return #expect(Bool(false)) }
        #expect(source.received.isEmpty)
        let latch = Latch<Bool>()
        cache.adopt(TokenSet(accessToken: makeToken("b")), .given) {
            if case .failure = $0 { latch.set(true) } else { latch.set(false) }
        }
        #expect(latch.wait())
        #expect(try String(decoding: #require(content(file)), as: UTF8.self) == "{rubbish")
    }

    private func rubbish(_ file: SessionFile) throws {
        let handle = try #require(fopen(file.path, "w"))
        fputs("{rubbish", handle)
        fclose(handle)
    }

    private func content(_ file: SessionFile) -> [UInt8]? {
        guard let handle = fopen(file.path, "r") else { return nil }
        defer { fclose(handle) }
        var bytes = [UInt8](repeating: 0, count: 100)
        return Array(bytes[..<fread(&bytes, 1, 100, handle)])
    }

    /// What `login` trims is trimmed in the file too.
    @Test(arguments: ["Bearer hand", " hand\\n", "\\ufeffhand"]) func tokenPastedIntoTheFile(_ text: String) throws {
        let file = SessionFile(path: directory() + "/s.json")
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        try write(#"{"token":"\#(text)"}"#, file.path)
        cache.recheckNow()
        #expect(cache.token == Token("hand") && cache.status.isReady)
        #expect(cache.end(timeout: .seconds(10)) == nil)
    }

    /// Something that is no token is no logout either: memory goes on, and the file is left as it is.
    @Test(arguments: ["\"two words\"", "\"\"", "5", "{}", "[\"x\"]", "true", "\"\\\"x\\\"\""]) func badTokenIsDamage(
        _ token: String
    ) throws {
        let file = SessionFile(path: directory() + "/s.json")
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        try write("{\"token\":\(token)}", file.path)
        cache.recheckNow()
        #expect(cache.token == makeToken("a") && cache.status.fileProblem?.contains("no bearer token") == true)
        #expect(throws: SessionFileError.self) {
            try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        }
        // A token that was taken out is a logout.
        try write(#"{"token":null}"#, file.path)
        cache.recheckNow()
        #expect(cache.token == nil && cache.status.state == .none)
        #expect(cache.end(timeout: .seconds(10)) == nil)
    }

    /// In place, as an editor may do; with another size, so that it shows.
    private func write(_ text: String, _ path: String) throws {
        let handle = try #require(fopen(path, "w"))
        fputs(text, handle)
        fclose(handle)
    }

    // MARK: Responses that cannot be read

    @Test func unreadableResponseIsKept() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let body = Array("<html>eyJ".utf8) + [UInt8](repeating: 0x78, count: 100_000)
        let source = TestSource([
            .lost(reason: "the answer is not JSON", response: body), .unreachable(reason: "gone"),
            success(makeToken("b")),
        ])
        source.mayAnswer.set(true)
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        _ = wait(cache, rejecting: 1)
        var information = stat()
        #expect(stat(file.answerPath, &information) == 0)
        #expect(information.st_mode & 0o777 == 0o600 && information.st_size == 64 * 1024)
        #expect(cache.status.advice?.contains(file.answerPath) == true)
        #expect(try file.load()?.record.unanswered?.reason.contains(file.answerPath) == true)
        #expect(try wait(cache, rejecting: 1).get().token == makeToken("b"))
        #expect(stat(file.answerPath, &information) != 0 && cache.status.keptAdvice == nil)
        #expect(cache.end(timeout: .seconds(10)) == nil)
    }

    @Test func logoutRemovesTheKeptResponse() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        #expect(file.keepAnswer([0x78]) && file.hasAnswer)
        let latch = Latch<Bool>()
        cache.forget { _ in latch.set(true) }
        #expect(latch.wait() && !file.hasAnswer)
    }

    // MARK: Plants

    /// Anybody can put a file into a directory that others write to.
    @Test(.enabled(if: geteuid() == 0)) func othersLeftoversAreNotTakenUp() throws {
        let file = SessionFile(path: directory() + "/s.json")
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("planted")), .signIn, now: 1_000_000)
        try leave(record.serialized(), file)
        chown(file.directory + "/.s.json.new", 12_345, 12_345)
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        #expect(cache.token == nil && !file.hasLeftover)
        // The superuser may deal with what the owner of the session left.
        adopt(cache, makeToken("a"))
        chown(file.path, 12_345, 12_345)
        record = try #require(try file.load()).record
        record.put(TokenSet(accessToken: makeToken("b")), .refresh, now: 1_000_000)
        try leave(record.serialized(), file)
        chown(file.directory + "/.s.json.new", 12_345, 12_345)
        #expect(
            try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock()).token
                == makeToken("b")
        )
        #expect(cache.end(timeout: .seconds(10)) == nil)
    }

    @Test func aFIFOIsNoSession() throws {
        let file = SessionFile(path: directory() + "/s.json")
        mkfifo(file.path, 0o600)
        mkfifo(file.directory + "/.s.json.new", 0o600)
        #expect(throws: SessionFileError.self) {
            try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        }
        #expect(file.hasLeftover, "what cannot be judged yet is left")
    }

    /// Only what took the place of a session makes that the previous one.
    @Test func failedLoginKeepsThePreviousSession() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        for name in ["a", "b"] { adopt(cache, makeToken(name)) }
        #expect(file.previous()?.token == makeToken("a"))
        // A directory where the new file would be made: for the superuser too.
        mkdir(file.temporaryPath, 0o700)
        mkdir(file.temporaryPath + "/x", 0o700)
        adopt(cache, makeToken("c"))
        #expect(try file.load()?.record.token == makeToken("b"))
        #expect(file.previous()?.token == makeToken("a"))
        #expect(access(file.directory + "/.s.json.previous.new", F_OK) != 0)
    }

    /// A login that could not be saved at once keeps what it replaces all the same, when it is.
    @Test func unsavedLoginKeepsThePreviousSessionLater() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let (former, new, newer) = (makeToken("a"), makeToken("b"), makeToken("c"))
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, former)
        mkdir(file.temporaryPath, 0o700)
        mkdir(file.temporaryPath + "/x", 0o700)
        let isDone = Latch<Bool>()
        cache.adopt(TokenSet(accessToken: new), .signIn, keepsUnsaved: true) { _ in isDone.set(true) }
        _ = isDone.wait()
        #expect(cache.token == new && cache.status.unsaved != nil)
        rmdir(file.temporaryPath + "/x")
        rmdir(file.temporaryPath)
        cache.recheckFile()
        #expect(cache.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record.token == new)
        #expect(file.previous()?.token == former)
        adopt(try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock()), newer)
        #expect(file.previous()?.token == new)
    }

    /// A process died between the two renames of a login.
    @Test(arguments: [true, false]) func draftIsSettled(_ isReplaced: Bool) throws {
        let file = SessionFile(path: directory() + "/s.json")
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        for name in ["a", "b"] { adopt(cache, makeToken(name)) }
        if !isReplaced { adopt(cache, makeToken("c")) }
        let draft = file.directory + "/.s.json.previous.new"
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("a")), .signIn, now: 1_000_000)
        try SessionFile(path: draft).save(record)
        if isReplaced { unlink(file.previousPath) }
        _ = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        #expect(file.previous()?.token == makeToken(isReplaced ? "a" : "b"))
        #expect(access(draft, F_OK) != 0)
    }

    /// Who logs in between a login's look at the file and its own change is not overwritten.
    @Test func anotherCustomersSessionIsRefusedUnderTheLock() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        // {"sub":"8"}
        let (theirs, ours) = (makeToken("a"), Token("e30.eyJzdWIiOiI4In0.c2ln")!)
        adopt(cache, theirs)
        let login = { (replaceable: ReplaceableSession) -> SessionFileError.Reason? in
            let latch = Latch<SessionFileError.Reason?>()
            cache.adopt(TokenSet(accessToken: ours), .signIn, keepsUnsaved: true, replacing: replaceable) { result in
                if case .failure(let error) = result { latch.set(error.reason) } else { latch.set(nil) }
            }
            return latch.wait()
        }
        #expect(login(.ofThisCustomer(agreed: nil)) == .otherCustomer)
        #expect(login(.ofThisCustomer(agreed: "another")) == .otherCustomer)
        #expect(try cache.token == theirs && file.load()?.record.token == theirs && file.previous() == nil)
        #expect(login(.ofThisCustomer(agreed: try file.load()?.record.lineage)) == nil)
        #expect(try file.load()?.record.token == ours && file.previous()?.token == theirs)
    }

    @Test func onlyUseChangesTheMode() throws {
        let file = SessionFile(path: directory() + "/s.json")
        adopt(
            try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock()),
            makeToken("a")
        )
        chmod(file.path, 0o644)
        let mode = { () -> mode_t in
            var information = stat()
            return stat(file.path, &information) == 0 ? information.st_mode & 0o777 : 0
        }
        _ = try file.load()
        _ = try Session(
            file: file,
            source: nil,
            policy: RefreshPolicy(margin: .zero),
            onlyLooks: true,
            clock: TestClock()
        )
        #expect(mode() == 0o644)
        _ = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        #expect(mode() == 0o600)
    }

    /// A file that is gone is not a logout.
    @Test func missingFileIsWrittenAgain() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        unlink(file.path)
        cache.recheckNow()
        #expect(cache.token == makeToken("a") && cache.status.unsaved != nil)
        cache.recheckFile()
        #expect(cache.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record.token == makeToken("a") && cache.status.isReady)
    }

    /// A file that was gone comes back after its token was refreshed: it holds a dead one, which nobody may adopt.
    @Test func fileThatComesBackIsOld() throws {
        let directory = directory() + "/sub"
        let file = SessionFile(path: directory + "/s.json")
        let (old, new) = (makeToken("a"), makeToken("b"))
        let source = TestSource([success(new)]) {
            rename(directory, directory + ".away")
            fclose(fopen(directory, "w"))
        }
        source.mayAnswer.set(true)
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, old)
        rename(file.path, file.path + ".away")
        cache.recheckNow()
        #expect(cache.status.unsaved != nil)
        #expect(try wait(cache, rejecting: 1).get().token == new)
        unlink(directory)
        rename(directory + ".away", directory)
        rename(file.path + ".away", file.path)
        #expect(try file.load()?.record.token == old)
        cache.recheckNow()
        #expect(cache.token == new)
        #expect(cache.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record.token == new)
    }

    // MARK: Others

    /// Whoever put a token in while a refresh was on its way means it, and those who wait have it at once.
    @Test func tokenPutInDuringARefreshWins() throws {
        let file = SessionFile(path: directory() + "/s.json")
        let byHand = makeToken("hand")
        let source = TestSource([success(makeToken("refreshed"))])
        let cache = try Session(file: file, source: source, policy: RefreshPolicy(margin: .zero), clock: TestClock())
        adopt(cache, makeToken("a"))
        let latch = Latch<Result<Credential, CredentialFailure>>()
        cache.credential(for: Inquiry(rejection: Rejection(generation: 1))) { latch.set($0.result) }
        var record = SessionRecord()
        record.put(TokenSet(accessToken: byHand), .given, now: 1_000_000)
        // As an editor does: without the lock.
        let other = SessionFile(path: file.directory + "/other")
        try other.save(record)
        rename(other.path, file.path)
        cache.recheckNow()
        #expect(try latch.wait().get().token == byHand)
        source.mayAnswer.set(true)
        #expect(cache.end(timeout: .seconds(10)) == nil)
        #expect(cache.token == byHand)
        #expect(try file.load()?.record.token == byHand)
    }

    @Test func changesAreHeardOf() throws {
        #if os(Linux)
        let file = SessionFile(path: directory() + "/sub/s.json")
        let adopted = Latch<Bool>()
        let cache = try Session(file: file, source: nil, policy: RefreshPolicy(margin: .zero), clock: TestClock()) {
            event in
            if case .adopted = event { adopted.set(true) }
        }
        cache.watchFile()
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("hand")), .given, now: 1_000_000)
        try file.save(record)
        #expect(adopted.wait())
        #expect(cache.token == makeToken("hand"))
        #expect(cache.end(timeout: .seconds(10)) == nil)
        #endif
    }

    /// Another customer's, and a later one of the same customer: its token was not signed out.
    @Test(arguments: [
        (Token("opaque-a")!, Token("opaque-b")!), (makeToken("one"), makeToken("two")),
    ])
    func logoutOfOneLoginKeepsAnother(_ first: Token, _ second: Token) throws {
        let told = Guarded(0)
        let policy = RefreshPolicy(margin: .zero)
        let cache = try Session(file: nil, source: nil, policy: policy, clock: TestClock()) { event in
            if case .loggedOut = event { told.with { $0 += 1 } }
        }
        adopt(cache, first)
        let former = try #require(cache.current()).credential.principal
        adopt(cache, second)
        _ = Latch.awaiting { cache.forget(former, completion: $0) }
        #expect(cache.token == second && told.with { $0 } == 0)
        let latter = try #require(cache.current()).credential.principal
        _ = Latch.awaiting { cache.forget(latter, completion: $0) }
        #expect(cache.token == nil && told.with { $0 } == 1)
    }
}
