/// That the API refused to refresh the tokens that machines share.
public struct SharedRefusal: Equatable, Sendable {
    /// The processes that claimed a refresh of the same tokens and fell silent, in the order in which they first
    /// did. Each may hold the successor. At most `maxSilent`.
    public let silent: [ProcessName]

    /// More names are not remembered.
    public static let maxSilent = 4

    /// Keeps the latest names.
    public init(silent: [ProcessName] = []) {
        self.silent = Array(silent.suffix(Self.maxSilent))
    }

    /// Who may have the successor, and what to do, in sentences.
    public var remedy: String {
        guard !silent.isEmpty else {
            return "The machine that refreshed it last may still hold its successor, and shares it when it runs again."
        }
        let names = silent.map(\.description).joined(separator: ", ")
        return silent.count == 1
            ? "Machine \(names) had begun a refresh and fell silent: it may still hold the successor. If it can be brought "
                + "back, run Squire there, and the session heals by itself; else log in anew."
            : "Machines \(names) had begun a refresh and fell silent: one of them may still hold the successor. If they can "
                + "be brought back, run Squire there, and the session heals by itself; else log in anew."
    }

    /// Why no machine refreshes the token any more, in sentences, for a machine that was not refused itself. `retriesLost`
    /// is `session.retry-lost: once`: a lost answer alone ends nothing then.
    public func words(retriesLost: Bool = true) -> String {
        let what =
            retriesLost
            ? "The API refused to refresh the token that the machines share."
            : "No machine refreshes the token that they share any more: the API refused it to one of them, or its answer "
                + "was lost and session.retry-lost: never forbids to send the token once more."
        return "\(what) \(remedy)"
    }
}
