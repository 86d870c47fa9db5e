import Support
import Testing

@testable import SharedSession

@Suite struct EtcdAnswersTests {
    private let answers = EtcdAnswers(key: EtcdSamples.key)

    private func reading(_ text: String) -> EtcdReading? { answers.reading(JSONValue(parsing: Array(text.utf8))) }
    private func swap(_ text: String) -> EtcdAnswers.Swap? { answers.swap(JSONValue(parsing: Array(text.utf8))) }

    private func token(_ text: String) -> String? { EtcdAnswers.token(JSONValue(parsing: Array(text.utf8))) }

    @Test func readsWhatIsThere() {
        let reading = reading(EtcdSamples.range("djE=", 2))
        #expect(reading?.value == EtcdSamples.value("v1", 2))
        #expect(reading?.revision == 2)
        #expect(reading?.cluster == "15875391935852295136")
    }

    @Test func absentMembersAreZero() {
        #expect(reading(EtcdSamples.absent(7)) == EtcdReading(value: nil, revision: 7, cluster: "15875391935852295136"))
        let empty = EtcdSamples.range("", 2).replacingAll(#","value":"""#, with: "")
        #expect(reading(empty)?.value == StoredValue(bytes: [], revision: 2))
        #expect(swap(EtcdSamples.conflictAbsent) == .conflict(nil))
        #expect(swap(EtcdSamples.conflict("djI=", 9)) == .conflict(EtcdSamples.value("v2", 9)))
        #expect(swap(EtcdSamples.written(5)) == .written(revision: 5))
    }

    /// 2^53 + 1 is no double.
    @Test func revisionsAreExact() {
        let text = EtcdSamples.range("djE=", 9_007_199_254_740_993)
        #expect(reading(text)?.value?.revision == 9_007_199_254_740_993)
        #expect(reading(text.replacingAll("9007199254740993", with: "9223372036854775808")) == nil)
    }

    @Test(arguments: [
        "", "{}", "[]", "null", "<html>", #"{"header":{}}"#, #"{"header":{"revision":"0","cluster_id":"1"}}"#,
        #"{"header":{"revision":"-1","cluster_id":"1"}}"#, #"{"header":{"revision":"1","cluster_id":"x"}}"#,
        #"{"header":{"revision":"1","cluster_id":"1"},"kvs":{}}"#,
        #"{"header":{"revision":"1","cluster_id":"1"},"kvs":[{}]}"#,
        #"{"header":{"revision":"1","cluster_id":"1"},"kvs":[{"key":"eA==","mod_revision":"1"}]}"#,
        #"{"header":{"revision":"1","cluster_id":"1"},"kvs":[{"key":"c3F1aXJlL3g=","mod_revision":"1","value":"?"}]}"#,
        #"{"header":{"revision":"1","cluster_id":"1"},"kvs":[{"key":"c3F1aXJlL3g=","mod_revision":"1","value":7}]}"#,
    ])
    func damagedReadings(_ text: String) {
        #expect(reading(text) == nil)
    }

    @Test func damagedSwaps() {
        for text in [
            EtcdSamples.absent(3), EtcdSamples.range("djE=", 2),
            EtcdSamples.written(3).replacingAll("true", with: "\"true\""),
            EtcdSamples.written(3).replacingAll("\"succeeded\":true,", with: ""),
            EtcdSamples.conflictAbsent.replacingAll("\"responses\"", with: "\"succeeded\":true,\"responses\""),
            EtcdSamples.conflictAbsent.replacingAll("[{", with: "[{},{"),
        ] {
            #expect(swap(text) == nil, "\(text)")
        }
    }

    @Test func tokensThatCannotBeSentAreNone() {
        #expect(token(#"{"header":{},"token":"aBc.12"}"#) == "aBc.12")
        for word in ["", "a b", "a\\r\\nX: y", "ä", String(repeating: "x", count: 8193)] {
            #expect(token(#"{"token":"\#(word)"}"#) == nil)
        }
    }

    @Test func swapComparesRevisionAndValue() throws {
        let requests = EtcdRequests(key: EtcdSamples.key)
        let put = #""success":[{"request_put":{"key":"c3F1aXJlL3g=","value":"djI="}}],"#
        let range = #""failure":[{"request_range":{"key":"c3F1aXJlL3g="}}]}"#
        let revision = #"{"compare":[{"key":"c3F1aXJlL3g=","target":"MOD","result":"EQUAL","mod_revision":"#
        let value = #",{"key":"c3F1aXJlL3g=","target":"VALUE","result":"EQUAL","value":"djE="}"#
        let replacing = try #require(requests.swap(expecting: EtcdSamples.value("v1", 7), with: Array("v2".utf8)))
        #expect(String(decoding: replacing, as: UTF8.self) == revision + #""7"}"# + value + "]," + put + range)
        let creating = try #require(requests.swap(expecting: nil, with: Array("v2".utf8)))
        #expect(String(decoding: creating, as: UTF8.self) == revision + #""0"}],"# + put + range)
        let foreign = StoredValue(bytes: Array("v1".utf8), revision: StoreRevision("7@a-b"))
        #expect(requests.swap(expecting: foreign, with: []) == nil)
    }
}
