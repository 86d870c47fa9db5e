import Redaction
import Testing

@testable import Inspector

@Suite struct StoredBodyTests {
    private static let redactor = Redactor(tokens: [], secrets: [], isSecretField: { _ in false })

    /// What is left out is not what makes a secret of what is kept.
    @Test func theEndOfWhatIsKeptMayBeASecretThatGoesOn() {
        let body = Self.redactor.body(
            Array(#"{"a":1,"password":"hunter2hunter2"}"#.utf8),
            type: nil,
            encoding: nil,
            isComplete: true,
            limit: 25
        )
        #expect(String(decoding: body.kept, as: UTF8.self) == #"{"a":1,"password":""#)
        #expect(body.isCut)
    }

    @Test func secretAcrossTheEndLeavesNothing() {
        let secrets = [#"op/aq"ue\to+ken%41=six"#, "configured-key-0987654321"].map { Array($0.utf8) }
        let redactor = Redactor(
            tokens: [.init(generation: 6, value: secrets[0])],
            secrets: [secrets[1]],
            isSecretField: { _ in false }
        )
        let before = Array("some text: ".utf8)
        for secret in secrets {
            let text = before + secret + Array(" and more".utf8)
            for seen in 1..<secret.count {
                let limit = before.count + seen
                let body = redactor.body(text, type: "text/plain", encoding: nil, isComplete: true, limit: limit)
                #expect(body.kept == before && body.isCut)
            }
        }
    }
}
