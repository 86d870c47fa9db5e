/// Why a change failed.
public enum SharedFailure: Sendable {
    /// The engine cannot be asked. The reason is a sentence without its full stop.
    case unreachable(String)
    /// The engine can be read, but rejects writes. The reason is a sentence without its full stop.
    case readOnly(String)
    /// The engine contains a record that this machine must neither use nor replace.
    case unusable(String)
    /// The engine or another machine was too slow, or the API gave no answer.
    case unanswered
    /// The issuer wants no request for that many seconds, as another machine was told.
    case postponed(seconds: Int)
    /// The local file could not be written.
    case notWritable
    /// The API refused, or there is no session.
    case loginNeeded(SharedRefusal)
    /// The session's counters have reached their maximum.
    case exhausted
    case closed

    /// A description without a full stop.
    public var words: String {
        switch self {
        case .unreachable(let reason): "the engine of the shared session cannot be reached: \(reason)"
        case .readOnly(let reason): "the engine of the shared session rejects writes: \(reason)"
        case .unusable(let reason): reason
        case .unanswered: "no machine got a response in time; the next attempt may succeed"
        case .postponed(let seconds):
            "the issuer asked another machine for a pause, which lasts another \(seconds) s"
        case .notWritable: "the session file cannot be written"
        case .loginNeeded(let refusal): refusal.words()
        case .exhausted: "the counters of the shared session have reached their maximum"
        case .closed: "Squire is shutting down"
        }
    }
}
