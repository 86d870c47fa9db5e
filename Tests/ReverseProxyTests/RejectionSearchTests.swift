import Testing

@testable import ReverseProxy

@Suite struct RejectionSearchTests {
    private static let expired = Array(#"{"error":"expired","rest":[1,2,3]}"#.utf8)
    /// The same, compressed by gzip(1).
    private static let compressed: [UInt8] = [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xAB, 0x56, 0x4A, 0x2D, 0x2A, 0xCA, 0x2F, 0x52,
        0xB2, 0x52, 0x4A, 0xAD, 0x28, 0xC8, 0x2C, 0x4A, 0x4D, 0x51, 0xD2, 0x51, 0x2A, 0x4A, 0x2D, 0x2E, 0x51, 0xB2,
        0x8A, 0x36, 0xD4, 0x31, 0xD2, 0x31, 0x8E, 0xAD, 0x05, 0x00, 0xC0, 0xC4, 0xF8, 0x17, 0x22, 0x00, 0x00, 0x00,
    ]

    private func make(_ value: String = "expired") -> RejectionSearch {
        RejectionSearch(BodyVerdict([.init(pointer: "/error", equals: [value])]))
    }

    @Test(arguments: [0, 1, 2, 12]) func anUncodedBodyIsRead(_ first: Int) {
        var search = make()
        #expect(search.feed(Array(Self.expired.prefix(first))) == .undecided)
        #expect(search.feed(Array(Self.expired.dropFirst(first))) == .rejected)
        #expect(search.end() == .rejected)
    }

    @Test func aCompressedBodyIsRead() {
        for piece in [1, 7, Self.compressed.count] {
            var search = make()
            var state = BodyVerdict.State.undecided
            for start in stride(from: 0, to: Self.compressed.count, by: piece) {
                state = search.feed(Array(Self.compressed[start...].prefix(piece)))
            }
            #expect(state == .rejected)
        }
    }

    @Test func aDamagedBodySaysNothing() {
        var search = make()
        #expect(search.feed([0x1F, 0x8B] + Array("not compressed".utf8)) == .unknown)
        #expect(search.feed(Self.compressed) == .unknown)
    }

    @Test func anotherErrorIsNoRejection() {
        var search = make("revoked")
        #expect(search.feed(Self.expired) == .accepted)
    }
}
