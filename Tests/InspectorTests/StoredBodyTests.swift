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
}
