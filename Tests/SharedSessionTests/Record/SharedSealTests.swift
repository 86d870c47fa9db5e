import Credentials
import Support
import Testing

@testable import SharedSession

@Suite struct SharedSealTests {
    private func problem(_ seal: SharedSeal, _ record: SharedRecord) -> SharedSeal.OpenProblem? {
        do throws(SharedSeal.OpenProblem) {
            _ = try seal.open(record)
            return nil
        } catch {
            return error
        }
    }

    @Test func whatIsSealedOpens() throws {
        let seal = try SharedSamples.seal(0)
        let session = try SharedSamples.session()
        let record = try seal.seal(session, try SharedSamples.identity())
        #expect(try seal.open(record) == .session(session))
        #expect(try record.state == .ready && record.identity == (try SharedSamples.identity()))
        let tombstone = try seal.tombstone(try SharedSamples.identity())
        #expect(try seal.open(tombstone) == .tombstone && tombstone.state == .none)
        #expect(tombstone.sealed.count == 28)
    }

    /// Made by another implementation (Python's cryptography): what the fleet has stays readable.
    @Test func knownRecordsOpen() throws {
        let identity =
            #""id":"66666666666666666666666666666666","parent":"00000000000000000000000000000000","#
            + #""login":"99999999999999999999999999999999","era":3,"generation":57"#
        let rest = #""write":"cccccccccccccccccccccccccccccccc","kid":"d9e650e6","#
        let ready =
            "{\"v\":1,\(identity),\"state\":\"ready\",\(rest)\"sealed\":\""
            + "ZGVmZ2hpamtsbW5vcXBmyI/XzAvqIwJjHRfUb8ky6BxmsZAwKxJO1BMpr/W2gjJREXI7jfaSLepQvtHtuvUeKLC5IGKtAV/z+Z0QY2Jo"
            + "gjKY8UJhN/ThuXQhd7R/hv5qe6tg7TFiRC7hKtahskI/OreqiuXW24WWgg0aGZAzA8BsoYImmfVTg4U=\"}"
        let none =
            "{\"v\":1,\(identity),\"state\":\"none\",\(rest)\"sealed\":\"ZGVmZ2hpamtsbW5vUpL4X5Yt4TwEZj+eQnxmtQ==\"}"
        let seal = try SharedSamples.seal(0)
        guard case .session(let session) = try seal.open(try SharedRecord(parsing: Array(ready.utf8))) else {
            Issue.record("no session")
            return
        }
        #expect(session.record.token?.value == "access-secret" && session.origin == "https://api.example.com")
        #expect(try seal.open(try SharedRecord(parsing: Array(none.utf8))) == .tombstone)
    }

    /// Made by swift-crypto, which sealed before.
    @Test func formerRecordsOpen() throws {
        let identity =
            #""id":"66666666666666666666666666666666","parent":"00000000000000000000000000000000","#
            + #""login":"99999999999999999999999999999999","era":3,"generation":57"#
        let ready =
            "{\"v\":1,\(identity),\"state\":\"ready\",\"write\":\"7f913422e225101882fbaa5963ead3e4\","
            + "\"kid\":\"d9e650e6\",\"sealed\":\""
            + "LMS1kawkc6L1ElTQNVA7LhuCrMzj1mRsoI7OgnziZjcnueftM3myZMD3GtbAuKO+IGO0a+O47y54C9WbeRqKbDyFRPFdCbS+STFt"
            + "BAtWTfC2K0DsSOqAT32CILoyXybasWM1i8A4DhsaSPD0aaI2khkAR5FmU9ENn8UbT6ghPoF572wg/dsoGalMRD/AZIhT6+OIABf9"
            + "xRiIR8RiDfNh6ryWHFV5Sj+D0D4rP6g98PLjFn66GyS6bx6QdN5oFgK9hMOmt1ac37OkLpwXTv2w/RCn4/UQ0gZJ6zx9YaCHlGg8"
            + "yD5Cvj3ByL0PqPlFqxMcZZeRHjms46Au+L/T+kbYfNbnqJxWWfLlVLtpmErbonXOCtvJ5dCarSwEbzgGqSetT3z6AD93AgGlL4jg"
            + "kwdmZE/KhpVnw5Lu8uX37xxKzRIz8H6nEcANuii54hxEme89/EP5KYWhknBQG5fopxvhKVip5gm/bZnjeybxHA93hRTz1nzVL734"
            + "kHnX4tbHcEu6lAfcjKV/ZkjJbUumr25FytszEceFtOrh250i2T0w49X+nXcWSqQ3iQ==" + "\"}"
        let none =
            "{\"v\":1,\(identity),\"state\":\"none\",\"write\":\"ca8b43a4e8580de5382209bd3d205f93\","
            + "\"kid\":\"40600664\",\"sealed\":\"S2EeiLYTSCypZDJhyglF6TbiqDy/H91VfEu51g==\"}"
        let seal = try SharedSamples.seal(0, 64)
        let session = try seal.open(try SharedRecord(parsing: Array(ready.utf8)))
        #expect(session == .session(try SharedSamples.session()))
        #expect(try seal.open(try SharedRecord(parsing: Array(none.utf8))) == .tombstone)
        #expect(try SharedSamples.keys(0, 64, 128).keyIDs.map(\.description) == ["d9e650e6", "40600664", "e46517d7"])
    }

    @Test func nothingSecretIsInTheClear() throws {
        let record = try SharedSamples.seal(0).seal(try SharedSamples.session(), try SharedSamples.identity())
        let value = record.bytes
        for text in ["access-secret", "refresh-secret", "api.example.com", "read write"] {
            let forms = [text, Base64.encode(Array(text.utf8)), hexadecimal(text)]
            for form in forms { #expect(!String(decoding: value, as: UTF8.self).contains(form)) }
        }
        let token = try #require(Token("access-secret"))
        #expect(!String(decoding: value, as: UTF8.self).contains(token.fingerprint))
    }

    private func hexadecimal(_ text: String) -> String { text.utf8.map { String($0, radix: 16) }.joined() }

    @Test func theSameSessionIsSealedDifferentlyEachTime() throws {
        let seal = try SharedSamples.seal(0)
        let records = try (0..<100).map { _ in
            try seal.seal(try SharedSamples.session(), try SharedSamples.identity())
        }
        #expect(Set(records.map { $0.sealed.prefix(12) }).count == 100, "a nonce came twice")
    }

    /// Each bit of the value: it does not open, or the change is none that matters, to `state`, `claim` or `write`.
    @Test func noBitOfTheValueMayChange() throws {
        let seal = try SharedSamples.seal(0)
        let claim = try #require(SharedClaim(id: .random(), by: "host-a/4711/3f9c", beat: 3))
        let ready = try seal.seal(try SharedSamples.shortSession(), try SharedSamples.identity())
        let tombstone = try seal.tombstone(try SharedSamples.identity())
        for record in [try #require(ready.with(.busy(claim))), tombstone] {
            let content = try seal.open(record)
            let bytes = record.bytes
            var opened = 0
            for index in bytes.indices {
                for bit in 0..<8 {
                    var changed = bytes
                    changed[index] ^= 1 << bit
                    guard let read = try? SharedRecord(parsing: changed) else { continue }
                    guard let found = try? seal.open(read) else { continue }
                    opened += 1
                    #expect(found == content && read.identity == record.identity && read.sealed == record.sealed)
                    #expect((read.state == .none) == (record.state == .none))
                }
            }
            // Those of `write` and of the claim, which the seal leaves open.
            #expect(opened > 0 && opened < 400)
        }
    }

    /// Each member that tells which token set it is, changed to another that could be there.
    @Test func noMemberMayChange() throws {
        let seal = try SharedSamples.seal(0, 64)
        let record = try seal.seal(try SharedSamples.session(), try SharedSamples.identity())
        let text = String(decoding: record.bytes, as: UTF8.self)
        let other = try SharedSamples.keys(64).keyIDs[0]
        for (old, new) in [
            ("\"id\":\"6", "\"id\":\"7"), ("\"parent\":\"0", "\"parent\":\"1"), ("\"login\":\"9", "\"login\":\"8"),
            ("\"parent\":\"00000000000000000000000000000000\"", "\"parent\":null"), ("\"era\":3", "\"era\":4"),
            ("\"generation\":57", "\"generation\":58"), ("\"state\":\"ready\"", "\"state\":\"none\""),
            ("\"state\":\"ready\"", "\"state\":\"refused\""),
            ("\"kid\":\"\(record.keyID)\"", "\"kid\":\"\(other)\""),
        ] {
            try #require(text.contains(old))
            let changed = try SharedRecord(parsing: Array(text.replacing(old, with: new).utf8))
            #expect(problem(seal, changed) == .forged, "\(new)")
        }
    }

    @Test func aTombstoneIsNotMadeOfASessionNorTheOtherWayRound() throws {
        let seal = try SharedSamples.seal(0)
        let identity = try SharedSamples.identity()
        let pairs: [(SharedRecord, String, String)] = [
            (try seal.seal(try SharedSamples.session(), identity), "ready", "none"),
            (try seal.tombstone(identity), "none", "ready"), (try seal.tombstone(identity), "none", "refused"),
            (try seal.seal(try SharedSamples.session(), identity, .refused), "refused", "ready"),
        ]
        for (record, old, new) in pairs {
            let text = String(decoding: record.bytes, as: UTF8.self)
            let changed = text.replacing("\"state\":\"\(old)\"", with: "\"state\":\"\(new)\"")
            #expect(problem(seal, try SharedRecord(parsing: Array(changed.utf8))) == .forged)
        }
    }

    @Test func aRecordOfAnotherNameDoesNotOpen() throws {
        let seal = try SharedSamples.seal(0)
        let records = [
            try seal.seal(try SharedSamples.session(), try SharedSamples.identity()),
            try seal.tombstone(try SharedSamples.identity()),
        ]
        for record in records {
            let others = [
                try SharedSamples.seal(0, name: "menu-test", place: "squire/v1/session/menu-test"),
                try SharedSamples.seal(0, name: "menu-test"),
                try SharedSamples.seal(0, place: "team/v1/session/menu-prod"),
            ]
            for other in others { #expect(problem(other, record) == .forged) }
        }
    }

    @Test func whatIsSealedByAKeyThatIsNotThereSaysWhich() throws {
        let record = try SharedSamples.seal(64).seal(try SharedSamples.session(), try SharedSamples.identity())
        let id = try SharedSamples.keys(64).keyIDs[0]
        let found = problem(try SharedSamples.seal(0), record)
        #expect(found == .unknownKey(id))
        #expect(found?.text("/etc/k") == "is sealed with key \(id), which is not in /etc/k")
    }

    @Test func keysAreChangedWithoutAnInterruption() throws {
        let session = try SharedSamples.session()
        let identity = try SharedSamples.identity()
        let (old, both, next, new) = (
            try SharedSamples.seal(0), try SharedSamples.seal(0, 64), try SharedSamples.seal(64, 0),
            try SharedSamples.seal(64)
        )
        // Half the machines have the second line; then it is moved up; then the old one goes.
        for (writer, readers) in [(old, [old, both]), (both, [old, both, next]), (next, [both, next, new])] {
            let record = try writer.seal(session, identity)
            for reader in readers { #expect(try reader.open(record) == .session(session)) }
        }
        let record = try old.seal(session, identity, .refused)
        #expect(!next.isCurrent(record) && old.isCurrent(record))
        let resealed = try next.reseal(record).get()
        #expect(next.isCurrent(resealed) && resealed.state == .refused && resealed.identity == identity)
        #expect(try new.open(resealed) == .session(session))
        let tombstone = try next.reseal(try old.tombstone(identity)).get()
        #expect(try new.open(tombstone) == .tombstone)
        #expect(throws: SharedSeal.OpenProblem.self) { try new.reseal(record) }
    }

    @Test func theLongestTokensFitAndLongerSessionsAreRefused() throws {
        let seal = try SharedSamples.seal(0)
        let longest = String(repeating: "x", count: Token.maxBytes)
        var record = try SharedSamples.record(access: longest, refresh: longest)
        for number in 0..<20 {
            let detail = String(repeating: "ü", count: 5000)
            record.record(RefreshEntry(at: number, cause: .rejected, outcome: .unavailable, detail: detail))
        }
        let sealed = try seal.seal(try #require(SealedSession(record)), try SharedSamples.identity())
        let name = try #require(ProcessName(String(repeating: "\"", count: ProcessName.maxBytes)))
        let claim = try #require(SharedClaim(id: .random(), by: name, beat: SharedIdentity.maxCount))
        let busy = try #require(sealed.with(.busy(claim)))
        #expect(busy.bytes.count <= SharedRecord.maxBytes)
        #expect(try SharedRecord(parsing: busy.bytes) == busy)
        // A quotation mark takes two octets in JSON.
        let quoting = try SharedSamples.record(
            access: "a" + String(repeating: "\"", count: Token.maxBytes - 2) + "a",
            refresh: longest
        )
        #expect(throws: SharedSeal.SealProblem.tooLong) {
            try seal.seal(try #require(SealedSession(quoting)), try SharedSamples.identity())
        }
    }
}
