import Support
import Testing

@testable import Credentials

/// What a session file says of a session that machines share, and when its token is due.
@Suite struct SharedHoldingTests {
    private func record(_ token: String = "one", refresh: String? = nil) throws -> SessionRecord {
        var record = SessionRecord()
        let tokens = TokenSet(accessToken: try #require(Token(token)), refreshToken: refresh.flatMap { Token($0) })
        record.put(tokens, .signIn, upstream: "https://a.example", now: 1_800_000_000)
        return record
    }

    private func identity(era: Int = 3) throws -> SharedIdentity {
        try #require(SharedIdentity(id: .random(), parent: .random(), login: .random(), era: era, generation: 7))
    }

    private func read(_ record: SessionRecord) throws -> SessionRecord {
        try #require(SessionRecord(parsing: record.serialized()))
    }

    @Test(arguments: [nil, "refresh"])
    func tokensKeepTheirName(_ refresh: String?) throws {
        let identity = try identity()
        var record = try record(refresh: refresh)
        #expect(record.localHolding(in: "p") == .own)
        record.share(as: identity, in: "p")
        #expect(try read(record).localHolding(in: "p") == .shared(.tokens(identity)))
        guard case .shared(.tokens(let known)) = try read(record).localHolding(in: "p") else { return }
        #expect(known.parent == identity.parent && known.generation == 7 && known.era == 3)
    }

    /// By a Squire that shares nothing, or by hand.
    @Test func otherTokensAreNobodysButThisMachines() throws {
        var record = try record()
        record.share(as: try identity(), in: "p")
        record.put(TokenSet(accessToken: try #require(Token("two"))), .refresh, now: 1_800_000_100)
        #expect(try read(record).localHolding(in: "p") == .own)
        var edited = try read(record)
        edited.document["token"] = .string("three")
        #expect(edited.localHolding(in: "p") == .own)
    }

    /// A file that says that others have the token, and not which or where, is no leave to refresh it alone.
    @Test func whatCannotBeReadIsNotThisMachines() throws {
        for break_ in ["era", "id", "in", "of"] {
            var record = try record()
            record.share(as: try identity(), in: "p")
            guard case .object(let members)? = record.document["shared"] else { return }
            let broken = members.map { $0.name == break_ ? JSONValue.Member($0.name, .number("-1")) : $0 }
            record.document["shared"] = .object(broken)
            guard case .elsewhere = try read(record).localHolding(in: "p") else {
                Issue.record("\(break_)")
                continue
            }
        }
        for value in [JSONValue.bool(true), .number("1"), .string("x"), .array([])] {
            var record = try record()
            record.document["shared"] = value
            guard case .elsewhere = try read(record).localHolding(in: nil) else {
                Issue.record("\(value)")
                continue
            }
        }
    }

    @Test func logoutIsRemembered() throws {
        let (login, end) = (try identity(), try identity(era: 4))
        var record = try record()
        record.share(as: login, in: "p")
        record.forgetToken()
        // By a Squire that shares nothing: nobody else was told.
        #expect(try read(record).localHolding(in: "p") == .shared(.nothing))
        record.share(as: end, in: "p")
        #expect(try read(record).localHolding(in: "p") == .shared(.ended(end)))
        #expect(SessionRecord().localHolding(in: "p") == .shared(.nothing))
    }

    /// A session that is kept beside the file may be that of other machines, whatever this one shares now.
    @Test func whoseIsWhatIsKept() throws {
        var kept = try record()
        #expect(kept.placeOfMachines(in: "p") == nil)
        kept.share(as: try identity(), in: "p")
        for place in [nil, "p", "q"] { #expect(try read(kept).placeOfMachines(in: place) == "p") }
        kept.put(TokenSet(accessToken: try #require(Token("two"))), .signIn, now: 1_800_000_100)
        #expect(try read(kept).placeOfMachines(in: "p") == nil)
        kept.document["shared"] = .bool(true)
        #expect(kept.placeOfMachines(in: nil) != nil)
    }

    /// Whoever only looks asks no engine: the file tells what it knows.
    @Test func fileTellsWhatItKnowsOfTheEngine() throws {
        var record = try record()
        record.share(as: try identity(), in: "p")
        record.markShared(.resultWaits, now: 1_800_000_200)
        var status = SharedStatus(engine: "etcd", name: "menu")
        status.tell(try read(record), in: "q")
        #expect(status.json["era"] == .null && status.json["not_shared"] == .bool(false))
        #expect(status.lines.first == "menu in etcd: not asked: squire shared status asks it")
        status.tell(try read(record), in: "p")
        #expect(status.json["era"] == .integer(3) && status.json["generation"] == .integer(7))
        #expect(status.json["not_shared_what"] == .string("token"))
        #expect(status.lines.contains("NOT SHARED"))
        let line = "menu in etcd: generation 7, era 3, not asked: squire shared status asks it"
        #expect(status.lines.first == line)
    }

    @Test(arguments: [
        (#""no""#, false), ("{}", false), (#"{"of":1}"#, false), ("[]", false), (#"{"ended":"yes"}"#, false),
        (#"{"ended":true}"#, true), (#"{"of":"x","id":"1"}"#, true), ("null", true),
    ])
    func damageIsNoName(_ text: String, _ isOwn: Bool) throws {
        var record = try record()
        record.document["shared"] = JSONValue(parsing: Array(text.utf8))
        #expect((record.localHolding(in: "p") == .own) == isOwn)
        record.forgetToken()
        #expect(record.localHolding(in: "p") == .shared(.nothing))
    }

    @Test func clockThatIsAheadIsPutRight() throws {
        var record = SessionRecord()
        let tokens = TokenSet(accessToken: try #require(Token("one")), expiresIn: 3600)
        record.put(tokens, .signIn, upstream: "https://a.example", now: 1_800_007_200)
        var late = record
        record.correctClock(now: 1_800_000_000, age: 0...Int.max)
        #expect(record.receivedAt == 1_800_000_000 && record.expiresAt == 1_800_003_600)
        late.correctClock(now: 1_800_007_300, age: 0...Int.max)
        #expect(late.receivedAt == 1_800_007_200 && late.expiresAt == 1_800_010_800)
    }

    /// What came at most so long ago, and at least: the moments of the machine that got it are believed in between.
    @Test(arguments: [
        (1_800_000_000, 0...30, 1_800_000_000), (1_800_000_020, 0...30, 1_800_000_000),
        // This clock is an hour ahead, or the other's an hour behind; and the other way round.
        (1_800_003_600, 0...30, 1_800_003_570), (1_799_996_400, 0...30, 1_799_996_400),
        // It was written 600 s after it came.
        (1_800_003_600, 600...630, 1_800_002_970), (1_799_996_400, 600...Int.max, 1_799_995_800),
        (1_800_003_600, 600...Int.max, 1_800_000_000),
    ])
    func momentsAreBelievedWithinWhatIsKnown(_ now: Int, _ age: ClosedRange<Int>, _ received: Int) throws {
        var record = SessionRecord()
        let token = try #require(Token("one"))
        let tokens = TokenSet(accessToken: token, expiresIn: 3600)
        record.put(tokens, .signIn, upstream: "https://a.example", now: 1_800_000_000)
        record.correctClock(now: now, age: age)
        #expect(record.receivedAt == received && record.expiresAt == received + 3600)
        for now in [Int.min, .max] {
            record.correctClock(now: now, age: age)
            record.correctClock(now: now, age: 0...0)
        }
    }

    @Test func whetherTheOthersKnowItIsKept() throws {
        var record = try record()
        let identity = try identity()
        record.share(as: identity, in: "p")
        #expect(!record.isNotShared)
        record.markShared(.resultWaits, now: 1_800_000_200)
        #expect(record.isNotShared && record.localHolding(in: "p") == .shared(.tokens(identity)))
        record.markShared(.shared, now: 1_800_000_200)
        #expect(!record.isNotShared)
        record.markShared(.wishWaits, now: 1_800_000_200)
        record.share(as: identity, in: "p")
        #expect(!record.isNotShared)
    }

    @Test func whatWaitsIsKept() throws {
        let (login, end) = (try identity(), try identity(era: 4))
        var record = try record()
        record.share(as: login, in: "p")
        #expect(record.sharedNote(in: "p") == .init())
        record.markShared(.resultWaits, now: 1_800_000_200)
        #expect(try read(record).sharedNote(in: "p").weight == .usual)
        record.markShared(.wishWaits, now: 1_800_000_200)
        #expect(try read(record).sharedNote(in: "p").weight == .wish)
        // The same login, counted anew.
        record.renumber(as: end)
        #expect(record.sharedNote(in: "p").weight == .wish && record.isNotShared)
        // A former version does not say what waits.
        record.document["shared"]?["cause"] = nil
        #expect(try read(record).sharedNote(in: "p").weight == .usual)
        record.document["shared"]?["parent"] = .null
        #expect(try read(record).sharedNote(in: "p").weight == .wish)
        record.share(as: try #require(login.child(.random())), in: "p")
        record.document["shared"]?["not_shared"] = .bool(true)
        #expect(try read(record).sharedNote(in: "p").weight == .usual)
        record.markShared(.shared, now: 1_800_000_200)
        record.isRefreshDenied = true
        #expect(try read(record).sharedNote(in: "p").weight == .dead)
        record.forgetToken()
        record.share(as: end, in: "p")
        #expect(try read(record).sharedNote(in: "p") == .init(former: login.login))
        record.share(as: try identity(era: 5), in: "p")
        #expect(try read(record).sharedNote(in: "p").former == login.login)
        #expect(record.sharedNote(in: "elsewhere") == .init())
    }

    // MARK: When it is due

    /// Life, margin and place in the fleet; how long before its end a token is refreshed, where a takeover takes 40 s.
    @Test(arguments: [
        (3600, 30, 0.0, 55.0), (3600, 30, 1, 82.5), (3600, 300, 0, 300), (3600, 86_400, 0, 1200),
        (3600, 86_400, 1, 1800),
        (120, 30, 0, 40), (119, 30, 0, 0), (5, 30, 0.5, 0), (0, 30, 0.5, 0), (-10, 30, 0, 0),
    ])
    func sharedTokenIsRefreshedEarlyEnoughForATakeover(_ life: Int64, _ margin: Int, _ place: Double, _ lead: Double) {
        let fleet = RefreshPolicy.Fleet(takeover: .seconds(40), place: place)
        let policy = RefreshPolicy(margin: .seconds(margin), fleet: fleet)
        #expect(Double(policy.lead(life: life * 1_000_000_000)) / 1e9 == lead)
    }

    @Test(arguments: [Double.nan, -1, 2, .infinity])
    func placeIsWithinItsBounds(_ place: Double) {
        let policy = RefreshPolicy(fleet: .init(takeover: .seconds(Int64.max), place: place))
        for life in [Int64.min, -1, 0, 1, .max] {
            let lead = policy.lead(life: life)
            #expect(lead >= 0 && lead <= max(0, life) / 2)
        }
    }
}
