import Credentials
import ReverseProxy
import Testing

@testable import Inspector

@Suite struct SecrecyHistoryTests {
    private static func secrecy(_ number: Int) -> Secrecy {
        var places = TokenPlaces()
        places.pointers = ["/token\(number)"]
        places.parameters = ["token\(number)"]
        return Secrecy(
            fields: ["x-pin\(number)"],
            secrets: [Array("secret\(number)".utf8)],
            places: places,
            credential: CredentialApplication(field: "X-Ticket\(number)", prefix: "", suffix: "")
        )
    }

    /// What a configuration hid is hidden after it, too, as far as eight different ones back.
    @Test func whatWasSecretStaysSo() {
        var history = SecrecyHistory(Self.secrecy(0))
        for number in 1...8 { history = history.followed(by: Self.secrecy(number), number: UInt32(number)) }
        #expect(history.present == Self.secrecy(8))
        for number in 0...9 {
            let isKnown = (1...8).contains(number)
            #expect(history.isSecret(field: "X-Pin\(number)") == isKnown)
            #expect(history.isSecret(field: "x_ticket\(number)") == isKnown)
            #expect(history.secrets.contains(Array("secret\(number)".utf8)) == isKnown)
            #expect(history.pointers.contains("/token\(number)") == isKnown)
            #expect(history.parameters.contains("token\(number)") == isKnown)
        }
        #expect(history.isSecret(field: "Authorization") && !history.isSecret(field: "X-Id"))
    }

    /// Reloads that change nothing here displace nothing.
    @Test func anExchangeHasTheFieldOfItsConfiguration() {
        var history = SecrecyHistory(Self.secrecy(0))
        for number in 1...99 { history = history.followed(by: Self.secrecy(0), number: UInt32(number)) }
        history = history.followed(by: Self.secrecy(1), number: 100)
        let field = { history.credential(of: $0).field }
        #expect([0, 99, 100, 101].map(field) == ["X-Ticket0", "X-Ticket0", "X-Ticket1", "X-Ticket1"])
        for number in 101...108 as ClosedRange<UInt32> {
            history = history.followed(by: Self.secrecy(Int(number)), number: number)
        }
        // Its own is forgotten.
        #expect(field(0) == "X-Ticket108")
    }
}
