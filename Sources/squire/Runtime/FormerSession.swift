import Credentials
import ReverseProxy
import Settings

/// The session that a login would replace.
enum FormerSession: CustomStringConvertible {
    case nobody
    /// A session that can serve no more requests.
    case dead(subject: String?)
    case living(subject: String?, expiresIn: Int?, lineage: String?)
    /// A session for another API.
    case foreign(origin: String)

    init(_ loaded: LoadedConfiguration) throws {
        let record: SessionRecord?
        do throws(SessionFileError) {
            record = try SessionFile(path: loaded.sessionFile).session()
        } catch {
            throw ExitFailure(error)
        }
        guard let record, let token = record.token else {
            self = .nobody
            return
        }
        let now = SystemClock().wall()
        if let origin = record.foreignOrigin(to: loaded.binding) {
            self = .foreign(origin: origin)
        } else if record.isDead(canRefresh: loaded.configuration.session.refresh != nil, now: now) {
            self = .dead(subject: token.claims?.subject)
        } else {
            let expiresIn = record.expiresAt.map { $0 - now }
            self = .living(subject: token.claims?.subject, expiresIn: expiresIn, lineage: record.lineage)
        }
    }

    init(_ replaced: ReplacedSession) {
        if let origin = replaced.foreignOrigin {
            self = .foreign(origin: origin)
        } else {
            self = .living(subject: replaced.subject, expiresIn: replaced.expiresIn, lineage: replaced.lineage)
        }
    }

    var isLiving: Bool { if case .living = self { true } else { false } }

    /// The login from which a live session descends.
    var lineage: String? { if case .living(_, _, let lineage) = self { lineage } else { nil } }

    /// The end of a sentence, if the session is live and known to be another customer's than `token`; nil otherwise.
    func other(than token: Token) -> String? {
        guard case .living(let subject?, _, _) = self, let new = token.claims?.subject, new != subject else {
            return nil
        }
        let (former, other) = (ControlCharacters.escaped(subject), ControlCharacters.escaped(new))
        return "customer \(former)'s, and the new token is customer \(other)'s."
    }

    var description: String {
        switch self {
        case .nobody: "no session"
        case .dead(let subject): "a dead session" + Self.owner(subject)
        case .foreign(let origin): "a session for \(origin)"
        case .living(let subject, let expiresIn, _):
            "the session" + Self.owner(subject) + Self.life(expiresIn)
        }
    }

    private static func owner(_ subject: String?) -> String {
        subject.map { " of customer \(ControlCharacters.escaped($0))" } ?? ""
    }

    private static func life(_ seconds: Int?) -> String {
        switch seconds {
        case nil: ""
        case let seconds? where seconds <= 0: ", which could be refreshed"
        case let seconds?: ", which was good for \(Quantity.words(seconds: seconds))"
        }
    }
}
