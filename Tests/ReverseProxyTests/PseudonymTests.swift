import HTTP1
import Testing

@testable import ReverseProxy

@Suite struct PseudonymTests {
    private let pseudonym = Pseudonym(number: 0xA1)

    private func isNamed(_ via: String) -> Bool {
        let bytes = Array(via.utf8)
        return pseudonym.isNamed(in: bytes.span, ByteRange(0, bytes.count))
    }

    @Test func theLineIsAViaField() {
        #expect(pseudonym.line(receivedAs: 1) == Array("Via: 1.1 squire-000000a1\r\n".utf8))
        #expect(pseudonym.line(receivedAs: 0) == Array("Via: 1.0 squire-000000a1\r\n".utf8))
        #expect(Pseudonym(number: .max).text == Array("squire-ffffffff".utf8))
    }

    @Test(arguments: [
        "1.1 squire-000000a1", "1.0 other, 1.1 squire-000000a1", "HTTP/1.1 \t SQUIRE-000000A1 (a comment)",
        ",, 1.1 squire-000000a1 ,",
    ])
    func thisProcessIsRecognised(_ via: String) {
        #expect(isNamed(via))
    }

    @Test(arguments: [
        "", "1.1 squire", "1.1 squire-000000a2", "1.1 squire-000000a1x", "squire-000000a1", "1.1 a (squire-000000a1)",
    ])
    func othersAreNot(_ via: String) {
        #expect(!isNamed(via))
    }

    @Test func everyProcessHasItsOwn() {
        #expect(Pseudonym.ofThisProcess.text == Pseudonym.ofThisProcess.text)
        #expect(Pseudonym.ofThisProcess.text.count == 15)
    }
}
