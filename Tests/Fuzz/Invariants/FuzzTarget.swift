/// What is fuzzed: one entry point each, with what must hold for any bytes.
///
/// The corpus of each is `Tests/Fuzz/Corpus/<name>`; `swift test` replays it, `config/fuzz` extends it.
public enum FuzzTarget: String, CaseIterable, Sendable {
    case requestHead = "request-head"
    case responseHead = "response-head"
    case chunkedBody = "chunked-body"
    case sessionFile = "session-file"
    case configuration
    case yaml
    case upstreamFields = "upstream-fields"
    case claims
    case diagnosis
    case execOutput = "exec-output"
    case redaction
    case sharedRecord = "shared-record"
    case engineAnswers = "engine-answers"

    /// Throws a `Violation` when an invariant does not hold.
    public func check(_ bytes: [UInt8]) throws {
        switch self {
        case .requestHead: try RequestHeadInvariants.check(bytes)
        case .responseHead: try ResponseHeadInvariants.check(bytes)
        case .chunkedBody: try BodyInvariants.check(bytes)
        case .sessionFile: try SessionFileInvariants.check(bytes)
        case .configuration: try ConfigurationInvariants.check(bytes)
        case .yaml: try YAMLInvariants.check(bytes)
        case .upstreamFields: try UpstreamFieldInvariants.check(bytes)
        case .claims: try ClaimInvariants.check(bytes)
        case .diagnosis: try DiagnosisInvariants.check(bytes)
        case .execOutput: try ExecOutputInvariants.check(bytes)
        case .redaction: try RedactionInvariants.check(bytes)
        case .sharedRecord: try SharedRecordInvariants.check(bytes)
        case .engineAnswers: try EngineAnswerInvariants.check(bytes)
        }
    }
}

/// An invariant that does not hold.
public struct Violation: Error, CustomStringConvertible {
    public var description: String

    init(_ text: String) {
        description = text
    }
}

func require(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    if !condition { throw Violation(text()) }
}
