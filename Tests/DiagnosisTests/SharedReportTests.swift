import Credentials
import SharedSession
import Support
import Testing

@testable import Diagnosis

@Suite struct SharedReportTests {
    private func claim() throws -> SharedClaim {
        let name = try #require(ProcessName("host/4711/abcd"))
        return try #require(SharedClaim(id: .random(), by: name, beat: 3))
    }

    // MARK: Showing

    @Test func showsWhatIsThere() throws {
        let keys = try SharedSamples.keys("B")
        let report = SharedSamples.report(try SharedSamples.record(keys), keys)
        #expect(report.problem == nil && report.advice == nil)
        let lines = report.lines(now: 1_000)
        #expect(lines.contains("engine      etcd, https://etcd-1:2379 answered"))
        #expect(lines.contains("state       ready"))
        #expect(lines.contains("customer    4711"))
        #expect(lines.contains("era         3, generation 57: 57 refreshes since that login"))
        #expect(lines.contains("sealed      key \(keys.keyIDs[0]), which seals: 1 of 1 in /k"))
        #expect(lines.contains { $0.hasPrefix("expires     in 60 min") || $0.hasPrefix("expires     in 1 h") })
        #expect(lines.contains("revision    12"))
    }

    @Test func scriptsReadTheSame() throws {
        let keys = try SharedSamples.keys("B", "C")
        let old = try SharedSamples.keys("C")
        let json = SharedSamples.report(try SharedSamples.record(old, .busy(try claim())), keys).json(now: 1_000)
        #expect(json["state"]?.string == "busy")
        #expect(json["claim"]?["by"]?.string == "host/4711/abcd" && json["claim"]?["beat"]?.integer == 3)
        #expect(json["era"]?.integer == 3 && json["generation"]?.integer == 57)
        #expect(json["sealed_with"]?["position"]?.integer == 2)
        #expect(json["engine"]?["revision"]?.integer == 12)
        #expect(json["customer"]?.string == "4711" && json["expires_in"]?.integer == 3_600)
        #expect(json["problem"] == .null)
        #expect(json["advice"]?.string?.contains("squire shared reseal") == true)
    }

    @Test func nothingIsSecret() throws {
        let keys = try SharedSamples.keys("B")
        for state in [SharedTokenState.ready, .busy(try claim()), .refused] {
            let report = SharedSamples.report(try SharedSamples.record(keys, state), keys)
            let shown = report.lines(now: 0).joined() + report.json(now: 0).serialized() + (report.advice ?? "")
            for secret in ["secret", SharedSamples.line("B"), "eyJ"] { #expect(!shown.contains(secret)) }
        }
    }

    @Test func statesHaveWords() throws {
        let keys = try SharedSamples.keys("B")
        let tombstone = try SharedSamples.seal(keys).tombstone(try SharedSamples.identity())
        let rows: [(SharedReport, String, String?)] = [
            (SharedSamples.report(.absent, keys), "absent", "squire login"),
            (SharedSamples.report(tombstone, keys), "none", "Somebody logged out"),
            (SharedSamples.report(try SharedSamples.record(keys, .refused), keys), "refused", "squire login"),
            (SharedSamples.report(try SharedSamples.record(keys), keys), "ready", nil),
        ]
        for (report, state, advice) in rows {
            #expect(report.state == state && report.problem == nil)
            #expect(report.json(now: 0)["state"]?.string == state)
            #expect(advice.map { report.advice?.contains($0) == true } ?? (report.advice == nil), "\(state)")
        }
    }

    // MARK: Problems

    @Test func problemsSayWhatToDo() throws {
        let keys = try SharedSamples.keys("B")
        let record = try SharedSamples.record(keys)
        let rows: [(SharedReport, CheckLine.Fault, String)] = [
            (SharedSamples.report(.damaged(.noRecord), keys), .malformed, "squire shared reset"),
            (SharedSamples.report(.damaged(.version(2)), keys), .malformed, "update this one"),
            (SharedSamples.report(.closed(record, .forged), keys), .malformed, "squire shared reset"),
            (
                SharedSamples.report(record, try SharedSamples.keys("C")), .misconfigured,
                "sealed with key \(record.keyID), which is not in /k. Copy the key file"
            ),
            (
                SharedSamples.report(try SharedSamples.record(keys, origin: "https://other.example"), keys),
                .misconfigured, "squire.yaml:7: the shared session menu belongs to https://other.example"
            ),
        ]
        for (report, fault, words) in rows {
            #expect(report.problem?.fault == fault && report.problem?.text.contains(words) == true, "\(words)")
            #expect(report.json(now: 0)["problem"]?.string == report.problem?.text)
        }
        // A port that goes without saying makes no other API.
        let same = try SharedSamples.record(keys, origin: "https://API.example.com:443")
        #expect(SharedSamples.report(same, keys).problem == nil)
    }

    // MARK: Changing

    @Test func onlyWhatDoesNotOpenIsReset() throws {
        let keys = try SharedSamples.keys("B")
        let record = try SharedSamples.record(keys)
        let values: [SharedValue] = [
            .damaged(.noRecord), .closed(record, .forged), .closed(record, .unknownKey(record.keyID)),
        ]
        for value in values {
            guard case .possible(let story) = SharedSamples.report(value, keys).reset else {
                Issue.record("\(value)")
                return
            }
            #expect(story.contains("puts its own back"))
        }
        guard case .opens(let text) = SharedSamples.report(record, keys).reset else {
            Issue.record("it opens")
            return
        }
        #expect(text.contains("squire logout") && text.contains("squire shared reseal"))
        let tombstone = try SharedSamples.seal(keys).tombstone(try SharedSamples.identity())
        #expect(SharedSamples.report(tombstone, keys).reset == .opens(text))
        let foreign = SharedSamples.report(try SharedSamples.record(keys, origin: "https://other.example"), keys)
        #expect(foreign.reset == .refused(try #require(foreign.problem)))
        let newer = SharedSamples.report(.damaged(.version(2)), keys)
        #expect(newer.reset == .refused(try #require(newer.problem)))
        let absent = SharedSamples.report(.absent, keys).reset
        #expect(absent == .unneeded("nothing is there: squire/v1/session/menu is absent"))
    }

    @Test func onlyWhatOpensIsResealed() throws {
        let (old, new) = (try SharedSamples.keys("B"), try SharedSamples.keys("C", "B"))
        let record = try SharedSamples.record(old)
        #expect(SharedSamples.report(record, new).reseal == .needed(record))
        let tombstone = try SharedSamples.seal(old).tombstone(try SharedSamples.identity())
        #expect(SharedSamples.report(tombstone, new).reseal == .needed(tombstone))
        guard case .unneeded = SharedSamples.report(record, old).reseal,
            case .unneeded = SharedSamples.report(.absent, new).reseal
        else {
            Issue.record("there is nothing to do")
            return
        }
        let foreign = try SharedSamples.record(old, origin: "https://other.example")
        for report in [
            SharedSamples.report(.damaged(.noRecord), new), SharedSamples.report(record, try SharedSamples.keys("D")),
            SharedSamples.report(foreign, new),
        ] {
            #expect(report.reseal == .refused(try #require(report.problem)))
        }
    }
}
