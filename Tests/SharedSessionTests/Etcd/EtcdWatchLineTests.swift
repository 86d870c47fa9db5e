import Support
import Testing

@testable import SharedSession

@Suite struct EtcdWatchLineTests {
    private let answers = EtcdAnswers(key: EtcdSamples.key)

    private func line(_ text: String) -> StoreWatchLine { StoreWatchLine(Array(text.utf8), answers) }

    private func endKind(_ text: String) -> SharedStoreFailure.Kind? {
        if case .ended(let failure) = line(text) { failure.kind } else { nil }
    }

    @Test func whatEtcdSends() {
        #expect(line(EtcdSamples.created(3)) == .opened)
        #expect(line(EtcdSamples.put("djE=", 4)) == .changed(EtcdSamples.value("v1", 4), at: .number(4)))
        #expect(line(EtcdSamples.deleted(5)) == .changed(nil, at: .number(5)))
        #expect(line(EtcdSamples.compacted) == .forgotten)
        #expect(endKind(EtcdSamples.refusedWatch) == .denied)
        #expect(endKind(EtcdSamples.stopping) == .unavailable)
        #expect(line(#"{"result":{\#(EtcdSamples.header(9))}}"#) == .idle)
    }

    @Test func lastEventCounts() {
        let text =
            #"{"result":{\#(EtcdSamples.header(3)),"events":[{"kv":\#(EtcdSamples.pair("djE=", 2))},"#
            + #"{"type":"DELETE","kv":{"key":"\#(EtcdSamples.key64)","mod_revision":"3"}}]}}"#
        #expect(line(text) == .changed(nil, at: .number(3)))
    }

    @Test(arguments: [
        "x", "{}", "[]", "1", #"{"result":1}"#, #"{"result":{"events":[]}}"#, #"{"result":{"events":{}}}"#,
        #"{"result":{"events":[{}]}}"#, #"{"result":{"events":[{"kv":{"key":"eA==","mod_revision":"1"}}]}}"#,
        #"{"result":{"events":[{"type":"MOVE","kv":{"key":"c3F1aXJlL3g=","mod_revision":"1"}}]}}"#,
        #"{"result":{"events":[{"type":"DELETE","kv":{"key":"c3F1aXJlL3g="}}]}}"#,
        #"{"result":{"events":[{"kv":{"key":"c3F1aXJlL3g=","mod_revision":1.5}}]}}"#,
    ])
    func damagedLines(_ text: String) {
        #expect(endKind(text) == .damaged)
    }

    /// A chunk is not a message: whatever the cut, the lines are the same.
    @Test func linesOverChunks() {
        let text = Array((EtcdSamples.created(3) + "\n" + EtcdSamples.put("djE=", 4) + EtcdSamples.deleted(5)).utf8)
        for first in 0...text.count {
            var lines = StoreLines()
            let parts = [text[..<first], text[first...].prefix(7), text[first...].dropFirst(7)]
            let found = parts.flatMap { lines.append(Array($0)) ?? [] }.map { StoreWatchLine($0, answers) }
            #expect(
                found == [
                    .opened, .changed(EtcdSamples.value("v1", 4), at: .number(4)), .changed(nil, at: .number(5)),
                ]
            )
            #expect(!lines.isCut)
        }
    }

    @Test func longLinesAreRefused() {
        var lines = StoreLines()
        #expect(lines.append([UInt8](repeating: 0x78, count: StoreLines.maxLineBytes)) == [])
        #expect(lines.isCut)
        #expect(lines.append([0x78]) == nil)
        var other = StoreLines()
        #expect(other.append([UInt8](repeating: 0x78, count: StoreLines.maxLineBytes + 1) + [0x0A]) == nil)
    }

    /// Whatever comes: nothing traps, and no value is believed that is not whole.
    @Test(arguments: 1..<9 as Range<UInt64>)
    func anything(_ seed: UInt64) {
        var random = SeededGenerator(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        let samples = [
            EtcdSamples.put("djE=", 4), EtcdSamples.deleted(5), EtcdSamples.compacted, EtcdSamples.refusedWatch,
            EtcdSamples.stopping, EtcdSamples.written(5), EtcdSamples.conflict("djE=", 4), EtcdSamples.range("djE=", 4),
        ]
        for _ in 0..<500 {
            var bytes = Array(samples.randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 0..<6, using: &random) {
                let index = bytes.indices.randomElement(using: &random)!
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.removeSubrange(index...)
                default: bytes.insert(contentsOf: Array("\"{}[],:0-".utf8).shuffled(using: &random), at: index)
                }
                if bytes.isEmpty { bytes = [0x7B] }
            }
            if case .changed(let value?, .number(let revision)) = StoreWatchLine(bytes, answers) {
                #expect(value.revision.etcd == revision && revision > 0)
            }
            let answer = JSONValue(parsing: bytes)
            if let reading = answers.reading(answer) { #expect(reading.revision > 0 && !reading.cluster.isEmpty) }
            if case .written(let revision)? = answers.swap(answer) { #expect(revision > 0) }
            #expect("\(EtcdProblem(status: 400, body: bytes).failure)".utf8.count < 600)
        }
    }
}

/// xorshift64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
