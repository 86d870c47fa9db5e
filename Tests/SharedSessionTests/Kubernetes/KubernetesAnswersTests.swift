import Support
import Testing
import Upstream

@testable import SharedSession

@Suite struct KubernetesAnswersTests {
    private let answers = KubernetesAnswers(secret: "menu")

    /// As a server of version 1.34 writes it, but for its names.
    private static let managed =
        #""creationTimestamp":"2026-11-02T09:14:05Z","managedFields":[{"manager":"kubectl-create","#
        + #""operation":"Update","apiVersion":"v1","time":"2026-11-02T09:14:05Z","fieldsType":"FieldsV1","#
        + #""fieldsV1":{"f:data":{".":{},"f:record":{}},"f:type":{}}}]"#
    private static let metadata =
        #""metadata":{"name":"menu","namespace":"web","uid":"975dab7f-0b57-4d57-aaf8-f95851fac6e5","#
        + #""resourceVersion":"629061",\#(managed)}"#
    private static let revision = StoreRevision("629061@975dab7f-0b57-4d57-aaf8-f95851fac6e5")
    private static let object =
        #"{"kind":"Secret","apiVersion":"v1",\#(metadata),"data":{"record":"djE="},"type":"Opaque"}"#
    private static let list =
        #"{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"839768"},"items":[{\#(metadata),"#
        + #""data":{"record":"djE="},"type":"Opaque"}]}"#
    private let value = StoredValue(bytes: Array("v1".utf8), revision: revision)

    private func line(_ text: String) -> StoreWatchLine { answers.line(Array(text.utf8)) }

    @Test func answersAreRead() {
        let listing = answers.listing(Array(Self.list.utf8))
        #expect(listing?.secret?.value == value && listing?.resourceVersion == "839768")
        let empty = #"{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"839768"},"items":[]}"#
        #expect(answers.listing(Array(empty.utf8)) == KubernetesListing(secret: nil, resourceVersion: "839768"))
        #expect(answers.written(Array(Self.object.utf8))?.value == value)
        let bare = Self.object.replacingAll(#""data":{"record":"djE="},"#, with: "")
        #expect(answers.written(Array(bare.utf8))?.hasData == false)
        let position = StorePosition.token("629061")
        #expect(line(#"{"type":"ADDED","object":\#(Self.object)}"#) == .changed(value, at: position))
        #expect(line(#"{"type":"MODIFIED","object":\#(Self.object)}"#) == .changed(value, at: position))
        #expect(line(#"{"type":"DELETED","object":\#(Self.object)}"#) == .changed(nil, at: position))
        let bookmark =
            #"{"type":"BOOKMARK","object":{"kind":"Secret","apiVersion":"v1","metadata":{"resourceVersion":"3845","#
            + #""creationTimestamp":null}}}"#
        #expect(line(bookmark) == .idle)
        let gone =
            #"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"#
            + #""too old resource version: 657887 (680402)","reason":"Expired","code":410}}"#
        #expect(line(gone) == .forgotten)
    }

    @Test(arguments: [
        "", "{}", "[]", "null", "<html>", #"{"kind":"SecretList"}"#,
        #"{"kind":"SecretList","metadata":{"resourceVersion":""},"items":[]}"#,
        #"{"kind":"SecretList","metadata":{"resourceVersion":7},"items":[]}"#,
        #"{"kind":"SecretList","metadata":{"resourceVersion":"7"},"items":{}}"#,
        #"{"kind":"SecretList","metadata":{"resourceVersion":"7"},"items":[{}]}"#,
        #"{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[]}"#,
        #"{"kind":"SecretList","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"menu"}}]}"#,
        list.replacingAll("\"menu\"", with: "\"other\""), list.replacingAll("djE=", with: "?"),
        list.replacingAll("\"djE=\"", with: "7"), list.replacingAll("975dab7f-", with: "a@b"),
        list.replacingAll("629061", with: "6 2"),
    ])
    func damagedAnswersAreNone(_ text: String) {
        #expect(answers.listing(Array(text.utf8)) == nil)
        #expect(answers.written(Array(text.utf8)) == nil)
        guard case .ended(let failure) = line(text) else {
            Issue.record("\(text)")
            return
        }
        #expect(failure.kind == .damaged)
    }

    /// What a server says in its own words is never repeated: it may hold what was sent.
    @Test func sentencesAreNotQuoted() {
        for status in [0, 200, 302, 400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 599] {
            for call in [KubernetesProblem.Call.list, .watch, .create, .patch] {
                for reason in ["s3cret", "s3cret \u{1B}[2J", "\(String(repeating: "s", count: 999))"] {
                    let body = FakeCluster.status(status, reason, "s3cret", details: #"{"kind":"s3cret"}"#)
                    let problem = KubernetesProblem(status: status, JSONValue(parsing: body.utf8)!, call: call)
                    #expect(!"\(problem.failure)".contains("s3cret"))
                    #expect("\(problem.failure)".utf8.count < 600)
                }
            }
        }
    }

    @Test func pauseIsRead() {
        func pause(_ fields: [(name: String, value: String)], _ body: String) -> Int? {
            KubernetesProblem(.init(status: 429, fields: fields, body: Array(body.utf8)), call: .patch).pause
        }
        #expect(pause([], FakeCluster.initializing) == 1)
        #expect(pause([("retry-after", "7")], "Too many requests, please try again later.\n") == 7)
        #expect(pause([("Retry-After", "Fri, 27 Nov 2026 08:00:00 GMT")], "") == nil)
        #expect(pause([("Retry-After", "-1")], "") == nil && pause([], "") == nil)
        #expect(pause([("Retry-After", "99999999999999999999")], FakeCluster.initializing) == 1)
    }

    @Test func revisionsAreTheEnginesOwn() {
        #expect(KubernetesRevision(Self.revision)?.resourceVersion == "629061")
        #expect(KubernetesRevision(StoreRevision("a@b@c"))?.resourceVersion == "a@b")
        for text in ["", "7", "@", "7@", "@u", "7 8@u", "7@\u{e4}"] {
            #expect(KubernetesRevision(StoreRevision(text)) == nil, "\(text)")
        }
        #expect(Self.revision.etcd == nil)
    }

    /// Anything may come: nothing traps, and what is read is whole.
    @Test(arguments: 1..<30 as Range<UInt64>)
    func anythingMayCome(_ seed: UInt64) {
        var random = SeededGenerator(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        let texts = [Self.list, Self.object, #"{"type":"ADDED","object":\#(Self.object)}"#, FakeCluster.immutable]
        for _ in 0..<200 {
            var bytes = Array(texts.randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.removeSubrange(index...)
                default: bytes.insert(contentsOf: Array("\"{}[],:0-@".utf8).shuffled(using: &random), at: index)
                }
                if bytes.isEmpty { bytes = [0x7B] }
            }
            for secret in [answers.listing(bytes)?.secret, answers.written(bytes)].compactMap({ $0 }) {
                #expect(KubernetesRevision(secret.revision.revision) == secret.revision)
            }
            if case .changed(let value?, let position) = answers.line(bytes) {
                #expect(position != .token("") && KubernetesRevision(value.revision) != nil)
            }
            let response = BlockingRequest.Response(status: 422, fields: [], body: bytes)
            #expect("\(KubernetesProblem(response, call: .patch).failure)".utf8.count < 600)
        }
    }
}
