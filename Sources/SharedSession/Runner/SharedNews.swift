import Credentials

/// What people may want to know of a session that machines share. Told on the protocol's thread; holds no secret.
public enum SharedNews: Equatable, Sendable {
    /// The engine answers, after it did not, or for the first time.
    case reachable
    case unreachable(SharedStoreFailure)
    /// The engine can be read, and refuses what is written.
    case readOnly(SharedStoreFailure)
    /// It takes what is written again.
    case writable
    /// A part of the configuration cannot work, while the rest does.
    case misconfigured(SharedStoreFailure)
    /// The engine has a record that this machine neither uses nor replaces.
    case unusable(reason: String)
    /// Tokens are in use here that the other machines do not know.
    case notShared(reason: String?)
    /// Somebody logged out here, and the other machines do not know.
    case logoutNotShared(reason: String?)
    /// They know it now.
    case shared
    /// The machine that claimed the refresh was silent for too long.
    case takesOver(from: String)
    /// Another machine has taken over what this one refreshes.
    case takenOver
    /// The engine had forgotten what this machine has.
    case putsBack
    /// Another machine's token took the place of this one's.
    case drops
    /// The key file is another; or why it cannot be used, and the keys that were read stay.
    case keys(problem: String?)
    /// The claim was known too late to refresh under it.
    case tooLate
    /// The engine is another one than before, or holds another object, as two names of it tell.
    case engineReplaced(from: String, to: String)
}

extension SharedFailure {
    /// `problem` is why the engine did not do what it was asked for, and `verdict` what is known if the API refused.
    init(_ refusal: SharedState.Refusal, _ problem: String?, _ isReadOnly: Bool, _ verdict: SharedRefusal) {
        switch refusal {
        case .unreachable where isReadOnly: self = .readOnly(problem ?? "it refuses what is written")
        case .unreachable: self = .unreachable(problem ?? "no answer")
        case .unanswered: self = .unanswered
        case .barred(let seconds): self = .postponed(seconds: seconds)
        case .noRoom: self = .notWritable
        case .unreadable: self = .unusable(problem ?? "the shared record cannot be used")
        case .loginNeeded: self = .loginNeeded(verdict)
        case .exhausted: self = .exhausted
        }
    }
}
