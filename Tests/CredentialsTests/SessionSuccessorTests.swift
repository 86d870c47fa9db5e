import Platform
import Support
import TestFiles
import Testing
import Threads

@testable import Credentials

/// A session replaced the file's, lies beside it, and could not be put in its place: what the file has is dead.
@Suite struct SessionSuccessorTests {
    private let file = SessionFile(path: TestDirectory.make() + "/s.json")

    enum Place: CaseIterable { case leftover, answer }

    private func record(_ name: String, after former: SessionRecord = SessionRecord()) throws -> SessionRecord {
        var record = former
        let arrival = former.isEmpty ? SessionRecord.Arrival.signIn : .refresh
        record.put(TokenSet(accessToken: try #require(Token(name))), arrival, now: 1_000_000)
        return record
    }

    private func path(_ place: Place) -> String { place == .leftover ? file.temporaryPath : file.answerPath }

    /// Saves one record, and leaves its successor beside the file. Returns both.
    private func saveWithLeftover() throws -> (old: SessionRecord, new: SessionRecord) {
        let old = try record("old")
        try file.save(old)
        let new = try record("new", after: old)
        leave(new, .leftover)
        return (old, new)
    }

    private func leave(_ record: SessionRecord, _ place: Place) {
        #expect(PrivateFile.create(path(place), record.serialized()))
    }

    @Test(arguments: Place.allCases) func whoeverLooksSeesIt(_ place: Place) throws {
        let old = try record("old")
        try file.save(old)
        leave(try record("new", after: old), place)
        let session = try Session(file: file, source: nil, onlyLooks: true)
        #expect(session.token == Token("new") && session.status.unsavedIn == path(place))
        #expect(session.status.advice?.contains(path(place)) == true && !session.status.isReady)
        #expect(try file.session()?.token == Token("new"))
        // Looking changes nothing.
        #expect(try file.load()?.record == old && PrivateFile.exists(path(place)))
    }

    /// Whoever looks without the lock while another process saves sees the former session, or the new one in its place.
    @Test func nothingLiesBesideWhatIsBeingSaved() throws {
        let first = try record("token-0")
        try file.save(first)
        let (file, isDone) = (file, Guarded(false))
        let writer = try #require(
            NativeThread(name: "writer") {
                defer { isDone.with { $0 = true } }
                var record = first
                for number in 1...400 {
                    guard let token = Token("token-\(number)"), let spent = record.spent else { return }
                    let journal = SessionFile.Journal(fingerprint: spent, at: 1_000_000, cause: .expiry)
                    guard let replacement = try? file.prepare(journal) else { return }
                    record.put(TokenSet(accessToken: token), .refresh, now: 1_000_000)
                    guard (try? file.commit(record, replacement)) != nil else { return }
                }
            }
        )
        defer { writer.join() }
        var count = 0
        while !isDone.with({ $0 }) {
            if file.successor(of: try file.load()?.record) != nil { count += 1 }
        }
        #expect(count == 0)
        #expect(try file.load()?.record.token == Token("token-400"))
    }

    /// Only the holder of the lock puts it in place; who uses it is told that it is not there.
    @Test(arguments: Place.allCases) func itIsUsedBesideAnotherHolderOfTheLock(_ place: Place) throws {
        let old = try record("old")
        try file.save(old)
        leave(try record("new", after: old), place)
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let told = Guarded<[String]>([])
        let session = try Session(file: file, source: nil) { event in
            if case .notSaved(let reason, _) = event { told.with { $0.append(reason) } }
        }
        holder.unlock()
        #expect(session.token == Token("new"))
        #expect(told.with { $0.count == 1 && $0[0].contains(path(place)) })
        session.recheckFile()
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record.token == Token("new"))
        #expect(session.status.unsaved == nil && !file.hasLeftover && !file.hasAnswer)
    }

    /// What a login or a logout brought since is not given up for it.
    @Test(arguments: Place.allCases, [true, false]) func itComesForNoOther(_ place: Place, _ isLogout: Bool) throws {
        let old = try record("old")
        var later = try record("login", after: SessionRecord())
        if isLogout { later.forgetToken() }
        try file.save(later)
        leave(try record("new", after: old), place)
        let session = try Session(file: file, source: nil, onlyLooks: true)
        #expect(session.token == later.token && session.status.unsaved == nil)
        #expect(try file.session()?.token == later.token)
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        #expect(try Session(file: file, source: nil).token == later.token)
        holder.unlock()
    }

    /// A login over what lies there already, and could not be put in place either: that is kept as the previous one.
    @Test func aLoginIsLeftInsteadOfWhatLiesThere() throws {
        let old = try record("old")
        try file.save(old)
        let refreshed = try record("new", after: old)
        leave(refreshed, .leftover)
        var login = refreshed
        login.put(TokenSet(accessToken: try #require(Token("login"))), .signIn, now: 1_000_000)
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        file.leave(login, insteadOf: old, keeping: refreshed)
        holder.unlock()
        #expect(try file.session()?.token == Token("login"))
        #expect(file.previous()?.token == Token("new"))
        #expect(try Session(file: file, source: nil).token == Token("login"))
        #expect(try file.load()?.record.token == Token("login") && !file.hasLeftover)
    }

    @Test func aLogoutIsLeft() throws {
        let old = try record("old")
        try file.save(old)
        var ended = old
        ended.forgetToken()
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        file.leave(ended, insteadOf: old, keeping: nil)
        holder.unlock()
        let looking = try Session(file: file, source: nil, onlyLooks: true)
        #expect(looking.token == nil && looking.status.state == .none)
        #expect(looking.status.advice?.contains("The session has ended") == true)
        #expect(try file.session()?.isEmpty == true && file.load()?.record == old)
        let session = try Session(file: file, source: nil)
        #expect(session.token == nil && session.status.unsaved == nil)
        #expect(try file.load()?.record.isEmpty == true && !file.hasLeftover)
        // Of a login that came since, it ends nothing.
        let login = try record("login")
        try file.save(login)
        leave(ended, .leftover)
        #expect(try Session(file: file, source: nil).token == Token("login"))
        #expect(!file.hasLeftover)
    }

    private func left(
        isLogout: Bool,
        insteadOf old: SessionRecord,
        after former: SessionRecord
    ) throws -> SessionRecord {
        var later = former
        if isLogout {
            later.forgetToken()
        } else {
            later.put(TokenSet(accessToken: try #require(Token("later"))), .signIn, now: 1_000_000)
        }
        file.leave(later, insteadOf: old, keeping: isLogout ? nil : former)
        return later
    }

    /// Two processes go on from what lies there: what the one makes of it is not taken back by the other.
    @Test(arguments: Place.allCases, [true, false])
    func whatSomebodyMadeOfItSinceIsNotOverwritten(_ place: Place, _ isLogout: Bool) throws {
        let old = try record("old")
        try file.save(old)
        let new = try record("new", after: old)
        leave(new, place)
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let session = try Session(file: file, source: nil)
        #expect(session.token == Token("new"))
        let later = try left(isLogout: isLogout, insteadOf: old, after: new)
        holder.unlock()
        session.recheckFile()
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(session.token == later.token && session.status.unsaved == nil)
        #expect(try file.load()?.record.held == later.held && !file.hasLeftover)
        #expect(try Session(file: file, source: nil).token == later.token)
    }

    /// The same where another process has put it in the file's place meanwhile.
    @Test(arguments: [true, false]) func whatSomebodySavedSinceIsNotOverwritten(_ isLogout: Bool) throws {
        let (old, new) = try saveWithLeftover()
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let session = try Session(file: file, source: nil)
        let later = try left(isLogout: isLogout, insteadOf: old, after: new)
        holder.unlock()
        #expect(try Session(file: file, source: nil).token == later.token)
        // What it does next, it does to what is there.
        let forgotten = Guarded<HeldTokens?>(nil)
        _ = Latch<Result<Void, SessionFileError>>.awaiting { done in
            session.forget(
                ending: { held in
                    forgotten.with { $0 = held }
                    return false
                },
                completion: done
            )
        }
        #expect(forgotten.with { $0?.accessToken } == later.token)
        #expect(session.token == later.token && session.status.unsaved == nil)
        #expect(try file.load()?.record.held == later.held)
    }

    /// Its successor follows the file, and says what somebody has done there.
    @Test(arguments: [true, false]) func aSessionOfBeforeAReloadSaysNothingOfIt(_ isLogout: Bool) throws {
        let (old, new) = try saveWithLeftover()
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let news = Guarded(0)
        let session = try Session(file: file, source: nil, emit: { if case .adopted = $0 { news.with { $0 += 1 } } })
        session.retire()
        let later = try left(isLogout: isLogout, insteadOf: old, after: new)
        holder.unlock()
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(session.token == later.token && news.with { $0 } == 0)
    }

    /// Who runs already is told, though the file has not changed, and whoever holds its lock.
    @Test(arguments: [true, false]) func whoRunsIsToldOfWhatIsLeft(_ isLogout: Bool) throws {
        let old = try record("old")
        try file.save(old)
        let session = try Session(file: file, source: nil)
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let first = try record("new", after: old)
        file.leave(first, insteadOf: old, keeping: nil)
        session.recheckNow()
        #expect(session.token == Token("new") && session.status.unsavedIn == file.temporaryPath)
        let later = try left(isLogout: isLogout, insteadOf: old, after: first)
        session.recheckNow()
        #expect(session.token == later.token && session.status.unsavedIn == file.temporaryPath)
        holder.unlock()
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record.held == later.held && !file.hasLeftover)
    }

    /// The file has no token: only what lies there tells that it was ended.
    @Test func theEndOfWhatCameForNothingCounts() throws {
        var old = try record("old")
        old.forgetToken()
        try file.save(old)
        let new = try record("new", after: old)
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        file.leave(new, insteadOf: old, keeping: nil)
        let session = try Session(file: file, source: nil)
        #expect(session.token == Token("new"))
        _ = try left(isLogout: true, insteadOf: old, after: new)
        holder.unlock()
        session.recheckFile()
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(session.token == nil && session.status.unsaved == nil)
        #expect(try file.load()?.record.isEmpty == true && !file.hasLeftover)
        #expect(try Session(file: file, source: nil).token == nil)
    }

    /// An end that could not be saved forgets nothing that another process is about to put in place.
    @Test func whatAnotherProcessWritesOutlivesARescue() throws {
        try file.save(try record("old"))
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        var ended = try record("old")
        ended.forgetToken()
        file.leave(ended, insteadOf: try record("old"), keeping: nil)
        let session = try Session(file: file, source: nil)
        #expect(session.token == nil && session.status.unsaved != nil)
        let login = try record("login", after: ended)
        leave(login, .leftover)
        #expect(session.end(timeout: .seconds(10)) == nil)
        _ = session.rescue()
        #expect(file.hasLeftover)
        holder.unlock()
    }

    /// Another login took the identity meanwhile: what is left has the other one, too.
    @Test func whatIsLeftIsRenamed() throws {
        _ = try saveWithLeftover()
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let session = try Session(file: file, source: nil)
        let later = TokenSet(accessToken: try #require(Token("later")))
        let change = Session.Change(
            keepsUnsaved: true,
            make: { record, now in
                record.put(later, .signIn, now: now)
                return .replace(keeping: nil)
            }
        )
        let steps = Session.ChangeSteps(session, file, change)
        for era in [1, 2] {
            let identity = try #require(SharedIdentity.login(.random(), .random(), after: era))
            guard case .inMemory = steps.save(as: identity, over: nil) else { return #expect(Bool(false)) }
            let left = try #require(file.leftover()?.record)
            #expect(left.token == later.accessToken)
            #expect(left.document["shared"].flatMap(SharedIdentity.init) == identity)
        }
        holder.unlock()
    }

    /// A process was killed while it left something.
    @Test func whatWasNotLeftCompletelyIsRemoved() throws {
        try file.save(try record("old"))
        let draft = file.temporaryPath + ".complete"
        #expect(PrivateFile.create(draft, try record("new").serialized()))
        #expect(try Session(file: file, source: nil).token == Token("old"))
        #expect(!PrivateFile.exists(draft))
    }

    /// What was kept before must not come back, also not by a person's hand.
    @Test(arguments: [true, false]) func aLogoutThatIsLeftEndsWhatIsKept(_ isKeptLater: Bool) throws {
        let old = try record("old")
        try file.save(old)
        let new = try record("new", after: old)
        if !isKeptLater { leave(new, .answer) }
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        _ = try left(isLogout: true, insteadOf: old, after: new)
        holder.unlock()
        if isKeptLater { leave(new, .answer) } else { #expect(!file.hasAnswer) }
        let session = try Session(file: file, source: nil)
        #expect(session.token == nil && session.status.unsaved == nil)
        #expect(try file.load()?.record.isEmpty == true && !file.hasAnswer)
    }

    /// Somebody logs in while it is used from beside: that counts.
    @Test func aLoginMeanwhileWins() throws {
        let old = try record("old")
        try file.save(old)
        leave(try record("new", after: old), .answer)
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let session = try Session(file: file, source: nil)
        #expect(session.token == Token("new"))
        let login = try record("login")
        let other = SessionFile(path: file.directory + "/other")
        try other.save(login)
        #expect(unsafe rename(other.path, file.path) == 0)
        holder.unlock()
        session.recheckNow()
        #expect(session.token == Token("login") && session.status.unsaved == nil)
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(try file.load()?.record == login)
    }
}
