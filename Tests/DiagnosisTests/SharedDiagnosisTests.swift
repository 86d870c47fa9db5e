import SharedSession
import Testing

@testable import Diagnosis

@Suite struct SharedDiagnosisTests {
    private typealias Member = EtcdExamination.Member

    private let urls = ["https://a:2379", "https://b:2379", "https://c:2379"]

    private func diagnosis(user: Bool = true, loopback: Set<String> = []) throws -> SharedDiagnosis {
        SharedDiagnosis(SharedSamples.session(try SharedSamples.keys("B")), hasUser: user, loopback: loopback)
    }

    private func good(
        _ url: String,
        _ access: EtcdExamination.Access = .user("squire"),
        cluster: String = "1",
        writing: SharedStoreFailure? = nil,
        revision: Int64 = 5
    ) -> EtcdExamination.Member {
        let answer = EtcdExamination.Answer(
            value: nil,
            revision: revision,
            cluster: cluster,
            access: access,
            writing: writing
        )
        return EtcdExamination.Member(endpoint: url, result: .success(answer))
    }

    private func bad(_ url: String, _ kind: SharedStoreFailure.Kind, _ detail: String) -> EtcdExamination.Member {
        .init(endpoint: url, result: .failure(SharedStoreFailure(kind, detail, advice: "Do something.")))
    }

    // MARK: The engine

    @Test func membersThatServe() throws {
        let lines = try diagnosis().lines(urls.map { good($0) })
        #expect(lines.map(\.verdict) == [.ok, .ok, .ok])
        #expect(lines[1].text == "https://b:2379 reads and writes with a quorum, as user squire")
    }

    /// A member that does not serve is named; it fails the check when no other does.
    @Test func membersThatDoNot() throws {
        let dead = bad(urls[0], .unreachable, "\(urls[0]) does not answer: connection refused")
        let some = try diagnosis().lines([dead, good(urls[1])])
        #expect(some.map(\.verdict) == [.warn, .ok])
        #expect(some[0].text == "https://a:2379 does not answer: connection refused. Do something. Other members do")
        #expect(try diagnosis().lines([dead]).map(\.verdict) == [.fail(.unreachable)])
        let rows: [(SharedStoreFailure.Kind, CheckLine.Fault)] = [
            (.unavailable, .unreachable), (.damaged, .unreachable), (.denied, .misconfigured),
            (.configuration, .misconfigured),
        ]
        for (kind, fault) in rows {
            let lines = try diagnosis().lines(urls.map { bad($0, kind, "something") })
            #expect(lines.map(\.verdict) == Array(repeating: .fail(fault), count: 3))
            #expect(lines[2].text == "https://c:2379: something. Do something.")
        }
    }

    @Test func rightToWriteIsNeeded() throws {
        let denied = SharedStoreFailure(.denied, "may not write", advice: "Ask for it.")
        let lines = try diagnosis().lines([good(urls[0], writing: denied)])
        #expect(lines == [CheckLine(.fail(.misconfigured), "etcd", "https://a:2379: may not write. Ask for it.")])
    }

    @Test func clustersAreOne() throws {
        let lines = try diagnosis().lines([good(urls[0]), good(urls[1], cluster: "2"), good(urls[2])])
        #expect(lines.last?.verdict == .fail(.misconfigured))
        #expect(lines.last?.text.contains("https://a:2379 and https://b:2379 are of different clusters") == true)
    }

    @Test func openDoorsAreSaid() throws {
        let off = try diagnosis().lines(urls.map { good($0, .certificate) })
        #expect(off.map(\.verdict) == [.ok, .ok, .ok, .warn])
        #expect(off.last?.text.contains("etcdctl auth enable") == true)
        let certified = try diagnosis(user: false).lines(urls.map { good($0, .certificate) })
        #expect(certified.map(\.verdict) == [.ok, .ok, .ok])
        let open = try diagnosis(user: false).lines(urls.map { good($0, .anybody) })
        #expect(open.map(\.verdict) == [.ok, .ok, .ok, .warn])
        #expect(open.last?.text.contains("any web page") == true)
        let here = try diagnosis(user: false, loopback: [urls[0]]).lines([good(urls[0], .anybody)])
        #expect(here.map(\.verdict) == [.ok, .note])
        #expect(here.last?.text.contains("For trying only") == true)
    }

    /// A certificate whose dates are wrong is what a member has against it.
    @Test func certificateOutOfItsTimeIsNamed() throws {
        let shown = ClientCertificate(path: "/c.pem", try #require(Certificate(der: CertificateTests.der)))
        var refused = SharedStoreFailure(.configuration, "it wants another", advice: "Name one.")
        let now = shown.certificate.notAfter
        #expect(refused.naming(shown, now: now + 1) == refused)
        refused.wantsCertificate = true
        #expect(refused.naming(shown, now: now) == refused && refused.naming(nil, now: now + 1) == refused)
        for (moment, words) in [
            (now + 1, "expired on 2026-11-27 13:50:27 UTC: get a new one."),
            (shown.certificate.notBefore - 1, "is not valid before 2026-11-26 13:50:27 UTC: this machine's clock"),
        ] {
            let member = Member(endpoint: urls[0], result: .failure(refused))
            let line = try diagnosis().lines([member.naming(shown, now: moment)])[0]
            #expect(line.text.contains("The one that session.shared names, /c.pem, certificate of CN=api.example.com"))
            #expect(line.text.contains(words), "\(line.text)")
            #expect(line.verdict == .fail(.misconfigured))
        }
    }

    @Test func newestAnswerCounts() {
        let members = [good(urls[0], revision: 5), bad(urls[1], .unreachable, ""), good(urls[2], revision: 7)]
        #expect(SharedDiagnosis.newest(members)?.revision == 7)
        #expect(SharedDiagnosis.newest([members[1]]) == nil)
    }

    // MARK: The record

    @Test func recordsAreJudged() throws {
        let keys = try SharedSamples.keys("B")
        let tombstone = try SharedSamples.seal(keys).tombstone(try SharedSamples.identity())
        let rows: [(SharedReport, CheckLine.Verdict)] = [
            (SharedSamples.report(.absent, keys), .note),
            (SharedSamples.report(try SharedSamples.record(keys), keys), .ok),
            (SharedSamples.report(try SharedSamples.record(keys, .refused), keys), .fail(.loginNeeded)),
            (SharedSamples.report(tombstone, keys), .fail(.loginNeeded)),
            (SharedSamples.report(.damaged(.spelling), keys), .fail(.malformed)),
            (
                SharedSamples.report(try SharedSamples.record(keys), try SharedSamples.keys("C")), .fail(.misconfigured)
            ),
            (
                SharedSamples.report(try SharedSamples.record(keys, origin: "https://other.example"), keys),
                .fail(.misconfigured)
            ),
        ]
        for (report, verdict) in rows {
            let lines = try diagnosis().lines(report, local: .nothing)
            #expect(lines.map(\.verdict) == [verdict], "\(lines)")
        }
    }

    @Test func oldKeysAreSaid() throws {
        let (old, new) = (try SharedSamples.keys("B"), try SharedSamples.keys("C", "B"))
        let lines = try diagnosis().lines(SharedSamples.report(try SharedSamples.record(old), new), local: .nothing)
        #expect(lines.map(\.verdict) == [.ok, .note])
        #expect(lines[1].text.contains("squire shared reseal"))
    }

    @Test func customersAreNotMixed() throws {
        let keys = try SharedSamples.keys("B")
        let report = SharedSamples.report(try SharedSamples.record(keys), keys)
        let lines = try diagnosis().lines(report, local: .own(customer: "815"))
        #expect(lines.map(\.verdict) == [.ok, .fail(.misconfigured)])
        #expect(lines[1].text.contains("squire.yaml:7: the shared session menu is that of 4711"))
        #expect(lines[1].text.contains("squire login --replace"))
        for customer in ["4711", nil] {
            let lines = try diagnosis().lines(report, local: .own(customer: customer))
            #expect(lines.map(\.verdict) == [.ok, .note])
        }
        #expect(try diagnosis().lines(report, local: .shared).map(\.verdict) == [.ok])
    }
}
