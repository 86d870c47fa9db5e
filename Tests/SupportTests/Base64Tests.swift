import Support
import Testing

@Suite struct Base64Tests {
    @Test func itIsTheStandardOne() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 250) }
            let text = Base64.encode(bytes)
            #expect(text.utf8.count % 4 == 0 && Base64.decode(text) == bytes)
        }
        #expect(Base64.encode([0xFB, 0xFF, 0xFE]) == "+//+")
        for text in ["-__-", "djE", "djF=", "dj E=", "djE==", "====", "djE=djE="] {
            #expect(Base64.decode(text) == nil, "\(text)")
        }
    }
}
