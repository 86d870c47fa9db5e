import Testing

@testable import TokenSources

@Suite
struct ProofKeyTests {
    /// RFC 7636 appendix B.
    @Test
    func challengeIsTheHashOfTheVerifier() throws {
        let key = try ProofKey(random: [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191,
            240, 91, 88, 5, 88, 83, 132, 141, 121,
        ])
        #expect(key.verifier == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        #expect(key.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }

    @Test
    func eachIsNewAndShowsNothing() throws {
        let (one, other) = (try ProofKey(), try ProofKey())
        #expect(one.verifier != other.verifier)
        #expect(one.verifier.utf8.count == 43)
        #expect(!"\(one)".contains(one.verifier))
        #expect(!String(reflecting: one).contains(one.verifier))
        var dumped = ""
        dump(one, to: &dumped)
        #expect(!dumped.contains(one.verifier))
    }

    @Test
    func stateHas128Bits() {
        let states = Set((0..<100).map { _ in RandomText.state() })
        #expect(states.count == 100)
        #expect(states.allSatisfy { $0.utf8.count == 22 })
    }
}
