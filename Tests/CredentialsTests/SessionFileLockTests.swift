import Platform
import TestFiles
import Testing
import Threads

@testable import Credentials

/// Answers once, and calls `meanwhile` before.
private struct OneAnswer: TokenSource {
    var spends = true
    let startsAlone = false
    let token: Token
    let meanwhile: @Sendable () -> Void

    func get(_ held: HeldTokens) -> TokenOutcome {
        meanwhile()
        return .obtained(TokenSet(accessToken: token))
    }
}

/// The answer is cut each time.
private struct LostAnswer: TokenSource {
    let spends = true
    let startsAlone = false

    func get(_ held: HeldTokens) -> TokenOutcome { .lost(reason: "cut", response: Array("part of it".utf8)) }
}

/// Somebody removes the lock file, or what lies beside the session file, while it is being replaced.
@Suite struct SessionFileLockTests {
    private let file = SessionFile(path: TestDirectory.make() + "/s.json")

    private func save(_ name: String, in path: String? = nil) throws -> SessionRecord {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: try #require(Token(name))), .given, now: 1_000_000)
        try (path.map(SessionFile.init) ?? file).save(record)
        return record
    }

    private func journal(of record: SessionRecord) -> SessionFile.Journal {
        SessionFile.Journal(fingerprint: record.token?.fingerprint ?? "", at: 1_000_000, cause: .manual)
    }

    @Test func writerIsLeftAloneAlthoughItsLockIsGone() throws {
        let record = try save("old")
        guard let handle = try file.tryLock() else { return #expect(Bool(false)) }
        let replacement = try file.prepare(journal(of: record))
        let wasInPlace = handle.isInPlace
        unsafe unlink(file.path + ".lock")
        let isInPlace = handle.isInPlace
        #expect(wasInPlace && !isInPlace)
        #expect(try !isFree())
        #expect(!file.waitForRefresh(limit: .zero))
        // As when the writer dies: its journal stays, and is the next one's to read.
        _ = consume replacement
        handle.unlock()
        #expect(try isFree())
        let isJournal = if case .journal? = file.leftover() { true } else { false }
        #expect(isJournal)
    }

    private func isFree() throws -> Bool { try file.tryLock() != nil }

    @Test(arguments: ["nothing", "rubbish", "link", "directory"])
    func foreignFileIsNotPutInPlace(_ kind: String) throws {
        var record = try save("old")
        let replacement = try file.prepare(journal(of: record))
        let (new, victim) = (file.temporaryPath, file.directory + "/victim")
        unsafe unlink(new)
        switch kind {
        case "rubbish": #expect(PrivateFile.create(new, Array("junk".utf8)))
        case "link":
            #expect(PrivateFile.create(victim, Array("v".utf8)))
            #expect(unsafe symlink(victim, new) == 0)
        case "directory": #expect(unsafe mkdir(new, 0o700) == 0)
        default: break
        }
        record.put(TokenSet(accessToken: try #require(Token("new"))), .refresh, now: 1_000_001)
        let version = try file.commit(record, replacement)
        #expect(try file.load()?.record == record)
        #expect(version == file.version())
        #expect(PrivateFile.exists(new) == (kind != "nothing"))
        if kind == "link" { #expect(try NamedFile.read(victim, limit: 10) == Array("v".utf8)) }
    }

    @Test func abandoningLeavesAnothersFile() throws {
        let replacement = try file.prepare()
        unsafe unlink(file.temporaryPath)
        #expect(PrivateFile.create(file.temporaryPath, Array("theirs".utf8)))
        file.abandon(replacement)
        #expect(PrivateFile.exists(file.temporaryPath))
    }

    /// A refresh's journal in the session's place is damage, not a logout.
    @Test func journalInPlaceIsNoLogout() throws {
        let record = try save("old")
        let session = try Session(file: file, source: nil)
        let blanks = [UInt8](repeating: 0x20, count: 48 * 1024)
        #expect(PrivateFile.create(file.path, journal(of: record).bytes + blanks))
        session.recheckNow()
        #expect(session.token == record.token)
        #expect(throws: SessionFileError.self) { try file.load() }
        #expect(session.status.fileProblem?.contains("damaged") == true)
    }

    @Test func livingTokenSurvivesTheLossOfTheLock() throws {
        _ = try save("old")
        let (file, fresh) = (file, try #require(Token("new")))
        let sibling = Guarded<Session?>(nil)
        let source = OneAnswer(token: fresh) {
            unsafe unlink(file.path + ".lock")
            sibling.with { $0 = try? Session(file: file, source: nil) }
        }
        let session = try Session(file: file, source: source)
        let reply = Latch.awaiting { session.refreshNow(cause: .manual, deliver: $0) }
        #expect(try reply.get().token == fresh)
        let saved = try #require(try file.load()?.record)
        #expect(saved.token == fresh)
        #expect(saved.unanswered == nil && !saved.history.contains { $0.outcome == .interrupted })
        let other = try #require(sibling.with { $0 })
        #expect(other.status.lastRefresh == nil)
        other.recheckNow()
        #expect(other.token == fresh)
    }

    /// Until the token is saved, no other process may ask for one.
    @Test(arguments: [true, false]) func lockIsHeldWhileTheIssuerIsAsked(_ spends: Bool) throws {
        _ = try save("old")
        let (file, fresh, wasFree) = (file, try #require(Token("new")), Guarded<Bool?>(nil))
        let source = OneAnswer(spends: spends, token: fresh) {
            wasFree.with { $0 = (try? file.tryLock()) ?? nil != nil }
        }
        let session = try Session(file: file, source: source)
        _ = Latch.awaiting { session.refreshNow(cause: .manual, deliver: $0) }
        #expect(wasFree.with { $0 } == false)
        #expect(try file.load()?.record.token == fresh)
        session.end(timeout: .seconds(5))
        #expect(try isFree())
    }

    /// Only the directory could not be synchronized: the record in the file is our own.
    @Test func recordInItsPlaceIsNotReplacedByItself() throws {
        var record = try save("old")
        let former = record
        record.put(TokenSet(accessToken: try #require(Token("new"))), .given, now: 1_000_001)
        let version = try #require(try file.save(record, keeping: former))
        let again = try file.saveAgain(record, keeping: former) {
            Issue.record("it is in its place")
            return false
        }
        #expect(again == version && file.previous()?.token == former.token)
    }

    /// The part of an answer that arrived is not lost without a word.
    @Test func partThatIsNotKeptIsTold() throws {
        let record = try save("old")
        #expect(file.keepUnsaved(record))
        let (file, told) = (file, Guarded<[String]>([]))
        let session = try Session(file: file, source: LostAnswer()) { event in
            if case .refreshFailed(_, let reason, _) = event { told.with { $0.append(reason) } }
        }
        // It is the file's own session: taking the lock removed it.
        let other = try save("other", in: file.path + ".other")
        #expect(!file.hasAnswer && file.keepUnsaved(other))
        _ = Latch.awaiting { session.refreshNow(cause: .manual, deliver: $0) }
        #expect(told.with { $0.last?.contains("is not kept, because \(file.answerPath) has a session") } == true)
        #expect(told.with { $0.last?.contains("part of it") } == false && file.unsaved?.token == Token("other"))
        #expect(session.end(timeout: .seconds(10)) == nil)
    }

    @Test func answersAreKeptBesideEachOther() throws {
        let record = try save("old")
        #expect(file.keepAnswer(Array("whole token".utf8)))
        #expect(file.keepAnswer(Array("wh".utf8)))
        #expect(try NamedFile.read(file.answerPath, limit: 100) == Array("whole token\nwh".utf8))
        // A session takes their place, and none takes its.
        #expect(file.keepUnsaved(record))
        #expect(!file.keepAnswer(Array("other".utf8)))
        #expect(try NamedFile.read(file.answerPath, limit: 1000) == record.serialized())
        file.removeAnswer()
        // They do not grow without a bound, and the newest stays.
        for number in UInt8(0)..<10 { #expect(file.keepAnswer([UInt8](repeating: 0x61 + number, count: 100_000))) }
        let kept = try NamedFile.read(file.answerPath, limit: 1 << 20)
        #expect(kept.count == 256 * 1024 && kept.last == 0x61 + 9)
        // What cannot be read is not replaced.
        file.removeAnswer()
        #expect(PrivateFile.create(file.answerPath, [UInt8](repeating: 0x79, count: 300_000)))
        #expect(!file.keepAnswer([0x7A]))
    }

    /// Something else damages the file during a refresh: what came is in memory only, and the end keeps it beside.
    @Test(arguments: [true, false]) func unsavedTokenIsKeptAtTheEnd(_ hasPlace: Bool) throws {
        _ = try save("old")
        let (file, fresh) = (file, try #require(Token("new")))
        if !hasPlace { #expect(unsafe mkdir(file.answerPath, 0o700) == 0) }
        // Long ago, so that nobody waits for the rest.
        let source = OneAnswer(token: fresh) {
            unsafe truncate(file.path, 0)
            unsafe utimensat(AT_FDCWD, file.path, [timespec(), timespec()], 0)
        }
        let session = try Session(file: file, source: source)
        _ = Latch.awaiting { session.refreshNow(cause: .manual, deliver: $0) }
        #expect(session.end(timeout: .seconds(60)) == nil)
        let unsaved = try #require(session.rescue())
        #expect(unsaved.path == file.path && unsaved.reason.contains("damaged"))
        #expect(unsaved.what == .tokens(keptIn: hasPlace ? file.answerPath : nil))
        guard hasPlace else { return }
        var information = stat()
        #expect(unsafe stat(file.answerPath, &information) == 0 && information.st_mode & 0o777 == 0o600)
        #expect(unsafe rename(file.path, file.path + ".bad") == 0)
        let without = try Session(file: file, source: nil)
        #expect(without.status.advice?.contains("move it to \(file.path)") == true)
        #expect(unsafe rename(file.answerPath, file.path) == 0)
        #expect(try Session(file: file, source: nil).token == fresh)
    }

    @Test func savedTokenIsNotKeptTwice() throws {
        let record = try save("old")
        let session = try Session(file: file, source: OneAnswer(token: try #require(record.token)) {})
        session.end(timeout: .zero)
        #expect(session.rescue() == nil && !PrivateFile.exists(file.answerPath))
    }

    @Test func aLongWaitIsToldOnce() throws {
        _ = try save("old")
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let told = Guarded(0)
        let handle = try file.lock(
            waitLimit: .seconds(60),
            isOver: { told.with { $0 } > 0 },
            quietFor: .zero,
            isLong: { told.with { $0 += 1 } }
        )
        let hasGivenUp = handle == nil
        #expect(hasGivenUp && told.with { $0 } == 1)
        holder.unlock()
    }

    // MARK: What a dead process left

    /// The bytes of a record whose process died between writing and renaming.
    private func leave(_ bytes: [UInt8]) { _ = PrivateFile.create(file.temporaryPath, bytes) }

    private func leaveSuccessor(of record: SessionRecord, _ name: String) throws -> SessionRecord {
        var next = record
        next.put(TokenSet(accessToken: try #require(Token(name))), .refresh, now: 1_000_000)
        leave(next.serialized())
        return next
    }

    /// It may have the only living token.
    @Test func noSaveTakesItsPlace() throws {
        let record = try save("old")
        _ = try leaveSuccessor(of: record, "new")
        #expect(throws: SessionFileError.self) { try file.save(record) }
        #expect(throws: SessionFileError.self) { _ = try file.prepare(journal(of: record)) }
        #expect(throws: SessionFileError.self) { try file.proveWritable() }
        let isRecord = if case .record? = file.leftover() { true } else { false }
        #expect(isRecord)
    }

    @Test func noSaveTakesTheJournalsPlace() throws {
        let record = try save("old")
        leave(journal(of: record).bytes)
        #expect(throws: SessionFileError.self) { try file.save(record) }
        let isJournal = if case .journal? = file.leftover() { true } else { false }
        #expect(isJournal)
    }

    @Test func whatCannotBeRemovedIsNamed() throws {
        let record = try save("old")
        mkdir(file.temporaryPath, 0o700)
        #expect {
            try file.save(record)
        } throws: { error in
            "\(error)".contains("\(file.temporaryPath): Is a directory")
        }
    }

    /// Whatever a session saves, it settles first what a dead process of the same file left.
    @Test(arguments: ["mark", "login"])
    func saveSettlesItFirst(_ kind: String) throws {
        let record = try save("old")
        let session = try Session(file: file, source: nil)
        let next = try leaveSuccessor(of: record, "new")
        switch kind {
        case "mark":
            for route in 1...8 as ClosedRange<UInt64> {
                let inquiry = Inquiry(route: route, rejection: Rejection(generation: session.generation))
                _ = Latch.awaiting { session.credential(for: inquiry, deliver: $0) }
            }
        case "login":
            let tokens = TokenSet(accessToken: try #require(Token("other")))
            _ = Latch.awaiting { session.adopt(tokens, .signIn, completion: $0) }
            #expect(file.previous()?.token == next.token)
        default: break
        }
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(!file.hasLeftover)
        #expect(try file.load()?.record.token == (kind == "login" ? Token("other") : next.token))
    }

    /// Somebody removed the session file: that is no logout.
    @Test func isTakenUpWithoutAFile() throws {
        let record = try save("old")
        let next = try leaveSuccessor(of: record, "new")
        unsafe unlink(file.path)
        #expect(try Session(file: file, source: nil).token == next.token)
        #expect(try file.load()?.record.token == next.token && !file.hasLeftover)
    }

    // MARK: Logins that cannot be saved

    /// The secret is spent: what it brought is kept beside the file.
    @Test func whatALoginBroughtIsKept() throws {
        let session = try Session(file: file, source: nil)
        let (file, token) = (file, try #require(Token("new")))
        let result = Latch.awaiting { done in
            session.adopt(
                .signIn,
                replacing: .ofThisAPI,
                spending: {
                    _ = unsafe mkdir(file.path, 0o700)
                    return .tokens(TokenSet(accessToken: token))
                },
                completion: done
            )
        }
        guard case .failure(let error) = result else { return #expect(Bool(false), "it was saved") }
        #expect(error.reason == .unsaved(keptIn: file.answerPath))
        #expect(unsafe rmdir(file.path) == 0)
        #expect(file.unsaved?.token == token && !file.hasLeftover)
        #expect(file.unsavedAdvice?.contains("move it to \(file.path)") == true)
    }

    @Test func aLoginKeepsWhatWasKept() throws {
        let kept = try save("kept")
        #expect(file.keepUnsaved(kept))
        unsafe unlink(file.path)
        let session = try Session(file: file, source: nil)
        let tokens = TokenSet(accessToken: try #require(Token("other")))
        _ = Latch.awaiting { session.adopt(tokens, .signIn, completion: $0) }
        #expect(session.token == tokens.accessToken && !file.hasAnswer)
        #expect(file.previous()?.token == kept.token)
    }
}
