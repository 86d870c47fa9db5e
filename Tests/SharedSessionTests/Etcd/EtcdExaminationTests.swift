import Testing
import Threads

@testable import SharedSession

/// Each member by itself, against gateways that answer what etcd answers.
@Suite struct EtcdExaminationTests {
    private typealias Member = EtcdExamination.Member

    private func examined(_ urls: [String], user: Bool = false) -> [EtcdExamination.Member] {
        let user = user ? EtcdOptions.User(name: "squire") { .success("s3cret") } : nil
        return EtcdExamination(EtcdOptions(endpoints: urls, key: EtcdSamples.key, user: user)).members()
    }

    private func answer(_ member: Member?) throws -> EtcdExamination.Answer { try #require(try member?.result.get()) }

    private func failure(_ member: Member?) -> SharedStoreFailure? {
        if case .failure(let failure)? = member?.result { failure } else { nil }
    }

    /// Reads what is there, and refuses each write, as nothing is what it is compared with.
    private static func serves(_ asked: FakeGateway.Asked) -> FakeGateway.Reply {
        switch asked.path {
        case "/v3/kv/range": .answer(200, EtcdSamples.range("djE=", 2))
        case "/v3/kv/txn": .answer(200, EtcdSamples.conflict("djE=", 2))
        default: .answer(200, #"{"token":"tok.1"}"#)
        }
    }

    @Test func membersAreAskedByThemselves() throws {
        let gone = FakeGateway { _, _ in .close }
        gone.stop()
        let off = FakeGateway { _, _ in .answer(404, "404 page not found\n") }
        let good = FakeGateway { asked, _ in Self.serves(asked) }
        let members = examined([gone.url, off.url, good.url])
        off.stop()
        good.stop()
        #expect(members.map(\.endpoint) == [gone.url, off.url, good.url])
        #expect(failure(members[0])?.kind == .unreachable)
        #expect(failure(members[1])?.detail == "there is no JSON gateway at this address")
        let answer = try answer(members[2])
        #expect(answer.value == EtcdSamples.value("v1", 2) && answer.access == .anybody && answer.writing == nil)
        #expect(off.requests.count == 1)
        #expect(good.requests.map(\.path) == ["/v3/kv/range", "/v3/kv/txn"])
    }

    /// What is asked for compares with a revision that no etcd reaches, and would change nothing.
    @Test func asksForNoWriteThatCouldHappen() throws {
        let good = FakeGateway { asked, _ in Self.serves(asked) }
        _ = examined([good.url])
        good.stop()
        let body = try #require(good.requests.last?.body)
        #expect(body.contains(#""mod_revision":"9223372036854775807""#))
        #expect(body.contains(#""request_put":{"key":"c3F1aXJlL3g=","value":"djE="}"#))
    }

    @Test func usersAreTold() throws {
        let good = FakeGateway { asked, _ in Self.serves(asked) }
        #expect(try answer(examined([good.url], user: true).first).access == .user("squire"))
        good.stop()
        let open = FakeGateway { asked, _ in
            asked.path == "/v3/auth/authenticate"
                ? .answer(412, EtcdSamples.problem("etcdserver: authentication is not enabled", 9)) : Self.serves(asked)
        }
        #expect(try answer(examined([open.url], user: true).first).access == .anybody)
        open.stop()
    }

    /// A command that asks somebody for it runs once.
    @Test func passwordIsReadOnce() {
        let good = FakeGateway { asked, _ in Self.serves(asked) }
        let count = Guarded(0)
        let user = EtcdOptions.User(name: "squire") {
            count.with { $0 += 1 }
            return .success("s3cret")
        }
        let urls = [good.url, good.url, good.url]
        _ = EtcdExamination(EtcdOptions(endpoints: urls, key: EtcdSamples.key, user: user)).members()
        good.stop()
        #expect(count.with { $0 } == 1)
        #expect(good.count("/v3/auth/authenticate") == 3)
    }

    @Test func roleThatOnlyReadsIsTold() throws {
        let gateway = FakeGateway { asked, _ in
            asked.path == "/v3/kv/txn"
                ? .answer(403, EtcdSamples.problem("etcdserver: permission denied", 7)) : Self.serves(asked)
        }
        let writing = try answer(examined([gateway.url], user: true).first).writing
        gateway.stop()
        #expect(writing?.kind == .denied)
        #expect(writing?.advice.contains("READWRITE") == true)
    }

    @Test func engineThatComparesNothingIsNone() throws {
        let gateway = FakeGateway { asked, _ in
            asked.path == "/v3/kv/txn" ? .answer(200, EtcdSamples.written(3)) : Self.serves(asked)
        }
        #expect(try answer(examined([gateway.url]).first).writing?.kind == .damaged)
        gateway.stop()
    }
}
