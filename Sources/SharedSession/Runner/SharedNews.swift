import Credentials

/// An event of a shared session that people may want to know about. Reported on the protocol's thread; contains no
/// secret.
public enum SharedNews: Equatable, Sendable {
    /// The engine answers again, after it did not.
    case reachable
    case unreachable(SharedStoreFailure)
    /// The engine can be read, but rejects writes.
    case readOnly(SharedStoreFailure)
    /// The engine accepts writes again.
    case writable
    /// A part of the configuration cannot work although the store does.
    case misconfigured(SharedStoreFailure)
    /// The engine has a record that this machine neither uses nor replaces.
    case unusable(reason: String)
    /// Tokens are in use here that the other machines do not know.
    case notShared(reason: String?)
    /// Somebody logged out here, and the other machines do not know.
    case logoutNotShared(reason: String?)
    /// The other machines know it now.
    case shared
    /// The machine that claimed the refresh was silent for too long.
    case takesOver(from: String)
    /// Another machine has taken over this machine's refresh.
    case takenOver
    /// The engine had lost what this machine holds.
    case putsBack
    /// Another machine's token has replaced this one's.
    case drops
    /// The key file has changed. `problem` says why it cannot be used; the keys that were read before stay in use then.
    case keys(problem: String?)
    /// The claim was confirmed too late to refresh under it.
    case tooLate
    /// The engine was replaced by another one. The values are their identifiers.
    case engineReplaced(from: String, to: String)
}

extension SharedFailure {
    /// `problem` says why the engine did not do what it was asked for, and `verdict` what is known if the API refused.
    init(_ refusal: SharedState.Refusal, _ problem: String?, _ isReadOnly: Bool, _ verdict: SharedRefusal) {
        switch refusal {
        case .unreachable where isReadOnly: self = .readOnly(problem ?? "it refuses what is written")
        case .unreachable: self = .unreachable(problem ?? "no answer")
        case .unanswered: self = .unanswered
        case .issuerPauses(let seconds): self = .postponed(seconds: seconds)
        case .noRoom: self = .notWritable
        case .unreadable: self = .unusable(problem ?? "the shared record cannot be used")
        case .loginNeeded: self = .loginNeeded(verdict)
        case .exhausted: self = .exhausted
        }
    }
}
