public import Credentials
import Settings
public import SharedSession

/// Describes the engine's value for a shared session: in sentences for people, and in JSON for scripts. Pure. Shows no
/// secret.
public struct SharedReport: Sendable {
    /// The session, as this machine's configuration describes it.
    public struct Session: Sendable {
        /// The session's name in the engine.
        public var name: String
        /// The engine, as the configuration names it.
        public var engine: String
        /// The engine's key for the value.
        public var key: String
        public var keyFile: String
        /// The first one seals.
        public var keys: [SharedKeyID]
        /// The origin of the configured upstream.
        public var origin: String
        /// Where the configuration sets `session.shared`, as `FILE:LINE`.
        public var source: String
        /// The command line that logs in.
        public var login: String
        /// Returns the command line that runs another subcommand with this configuration.
        public var command: @Sendable (String) -> String

        public init(
            name: String,
            engine: String,
            key: String,
            keyFile: String,
            keys: [SharedKeyID],
            origin: String,
            source: String,
            login: String,
            command: @escaping @Sendable (String) -> String
        ) {
            self.name = name
            self.engine = engine
            self.key = key
            self.keyFile = keyFile
            self.keys = keys
            self.origin = origin
            self.source = source
            self.login = login
            self.command = command
        }

        /// What this machine did that the others do not know, and what to do, in sentences.
        public func story(_ unshared: SharedStatus.Unshared.What) -> String {
            switch unshared {
            case .token:
                "This machine has a token that the others do not have (NOT SHARED). It is shared by the Squire that runs "
                    + "here: \(command("run"))"
            case .logout:
                "Somebody logged out on this machine, and the others do not know (NOT SHARED). They are told by the Squire "
                    + "that runs here: \(command("run"))"
            }
        }
    }

    public var session: Session
    public var value: SharedValue
    /// The revision of the value; nil if there is none.
    public var revision: StoreRevision?
    /// The server of the engine that answered.
    public var member: String?
    /// Why the engine would not write; nil if it would, or was not asked.
    public var writing: SharedStoreFailure?
    /// What this machine did that the others do not know, according to its session file.
    public var unshared: SharedStatus.Unshared.What?

    public init(_ session: Session, _ value: SharedValue, revision: StoreRevision?, member: String?) {
        self.session = session
        self.value = value
        self.revision = revision
        self.member = member
    }

    /// Why this machine can neither use nor replace the value.
    public struct Problem: Equatable, Sendable {
        public var fault: CheckLine.Fault
        public var text: String
    }

    public var problem: Problem? {
        switch value {
        case .absent, .tombstone: nil
        case .damaged(let damage): problem(damage)
        case .closed(_, let closure): problem(closure)
        case .session(_, let content): problem(content)
        }
    }

    func problem(_ damage: SharedRecord.Damage) -> Problem {
        guard case .version = damage else { return unreadable("\(damage)") }
        return Problem(fault: .malformed, text: "the shared record \(damage). Nothing of it is used, or written over")
    }

    func problem(_ closure: SharedSeal.OpenProblem) -> Problem {
        let text = closure.text(session.keyFile)
        guard case .unknownKey = closure else { return unreadable(text) }
        return Problem(
            fault: .misconfigured,
            text: "the shared record \(text). Copy the key file of a machine that has it; if the key is lost: "
                + session.command("shared reset")
        )
    }

    /// The problem if the session is another API's; nil if it is this one's.
    func problem(_ content: SealedSession) -> Problem? {
        guard !SessionBinding.isSame(content.origin, session.origin) else { return nil }
        let other = ControlCharacters.escaped(content.origin.cut())
        return Problem(
            fault: .misconfigured,
            text: "\(session.source): the shared session \(session.name) belongs to \(other), and is "
                + "neither used nor replaced. Give this one another name: session.shared.name"
        )
    }

    private func unreadable(_ text: String) -> Problem {
        Problem(
            fault: .malformed,
            text: "the shared record \(text). It is neither used nor written over. To take it away, so that the "
                + "machines put back what they hold: \(session.command("shared reset"))"
        )
    }

    /// A word for scripts.
    public var state: String {
        switch value {
        case .absent: "absent"
        case .damaged, .closed: "unreadable"
        case .tombstone: "none"
        case .session(let record, _):
            switch record.state {
            case .ready: "ready"
            case .busy: "busy"
            case .refused: "refused"
            case .none: "none"
            }
        }
    }

    /// What to do; nil if nothing needs to be done.
    public var advice: String? {
        if let problem { return problem.text }
        switch value {
        case .absent:
            return "Nothing is there yet. A machine that holds the session puts it there; else log in: \(session.login)"
        case .tombstone: return "Somebody logged out, for all machines. Run: \(session.login)"
        case .session(let record, let sealed) where record.state == .refused:
            // With that setting, no machine has sent the token again.
            let what =
                sealed.record.unanswered == nil
                ? "The API refused to refresh it."
                : "The answer to a refresh of it was lost, and it is not sent again, or was refused since."
            let refusal = SharedRefusal(silent: sealed.silent)
            return "\(what) \(refusal.remedy) To log in: \(session.login)"
        case .session(let record, _) where !isSealedNow(record):
            let command = session.command("shared reseal")
            return "The key that sealed it seals no more. After the next refresh, or \(command), take it out of "
                + session.keyFile
        case .session, .damaged, .closed: return nil
        }
    }

    func isSealedNow(_ record: SharedRecord) -> Bool { record.keyID == session.keys.first }
}
