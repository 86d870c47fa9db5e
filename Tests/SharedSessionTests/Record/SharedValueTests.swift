import Testing

@testable import SharedSession

@Suite struct SharedValueTests {
    private func value(_ record: SharedRecord) -> StoredValue { StoredValue(bytes: record.bytes, revision: 7) }

    @Test func whatOpensIsVouchedFor() throws {
        let seal = try SharedSamples.seal(1)
        let session = try SharedSamples.session()
        let record = try seal.seal(session, try SharedSamples.identity())
        #expect(SharedValue(value(record), seal) == .session(record, session))
        let tombstone = try seal.tombstone(try SharedSamples.identity())
        #expect(SharedValue(value(tombstone), seal) == .tombstone(tombstone))
        #expect(SharedValue(value(tombstone), seal).record == tombstone)
    }

    @Test func whatDoesNotOpenIsNot() throws {
        let seal = try SharedSamples.seal(1)
        let record = try seal.seal(try SharedSamples.session(), try SharedSamples.identity())
        let other = try SharedSamples.seal(2)
        let unknown = SharedValue(value(record), other)
        #expect(unknown == .closed(record, .unknownKey(record.keyID)))
        #expect(unknown.record == nil)
        let elsewhere = try SharedSamples.seal(1, place: "squire/v1/session/other")
        #expect(SharedValue(value(record), elsewhere) == .closed(record, .forged))
        #expect(SharedValue(nil, seal) == .absent)
        #expect(SharedValue(StoredValue(bytes: [], revision: 7), seal) == .damaged(.noRecord))
        #expect(SharedValue(StoredValue(bytes: Array(#"{"v":2}"#.utf8), revision: 7), seal) == .damaged(.version(2)))
    }
}
