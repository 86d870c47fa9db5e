public import Support

/// How a session is shared with other machines, for people and metrics.
public struct SharedStatus: Sendable, Equatable {
    /// A refresh that a machine has claimed.
    public struct Claim: Sendable, Equatable {
        /// Which process of which machine.
        public var by: String
        /// Seconds since this machine first saw it.
        public var age: Int

        public init(by: String, age: Int) {
            self.by = by
            self.age = age
        }
    }

    /// Where the session is kept: `etcd` or `kubernetes`.
    public var engine: String
    /// The session's name there.
    public var name: String
    /// Whether the engine answered when it was asked last; nil while it was not.
    public var isReachable: Bool?
    /// Why it cannot be reached, or its record not be used.
    public var problem: String?
    /// What to do about it, a sentence; nil where `problem` says it.
    public var remedy: String?
    /// Which write the engine's record is, in the engine's own words; nil while none is known.
    public var revision: String?
    public var era: Int?
    public var generation: Int?
    public var claim: Claim?
    /// Seconds since when tokens are in use here that the other machines do not know; nil if they know them.
    public var notSharedFor: Int?

    /// What was done through the engine, since this process began.
    public var counts = Counts()

    public struct Counts: Sendable, Equatable {
        /// What became of the claims that were written.
        public var claims = Claims()
        /// Refreshes that another machine had claimed and was silent about.
        public var takeovers = 0
        /// Tokens of other machines that were taken over here.
        public var adoptions = 0
        /// How long that took, in all, from hearing of them.
        public var adoptionNanoseconds: Int64 = 0

        public init() {}
    }

    public struct Claims: Sendable, Equatable {
        public var written = 0
        public var conflict = 0
        public var unclear = 0
        public var failed = 0
    }

    public init(engine: String, name: String) {
        self.engine = engine
        self.name = name
    }

    /// A machine refreshes the tokens that are in use here, and will tell what came of it.
    public var isBeingRefreshed: Bool { claim != nil && notSharedFor == nil && isReachable != false }

    /// What is wrong and what to do about it; nil if all is well.
    public var advice: String? {
        let reason = problem.map { " (\($0))" } ?? ""
        let remedy = remedy.map { " \($0)" } ?? ""
        if notSharedFor != nil {
            return "The token is in use here and NOT SHARED\(reason): until the other machines have it, they cannot "
                + "refresh, and a loss of this machine costs the login. Sharing is tried again by itself.\(remedy)"
        }
        guard let problem else { return nil }
        return isReachable == false
            ? "The other machines cannot be asked (\(problem)): the token is used to its end, and not refreshed until then."
                + remedy
            : "The shared session \(name) cannot be used: \(problem).\(remedy)"
    }

    /// The same, on a machine that has no token; nil where the others were not asked yet.
    public var adviceWithoutToken: String? {
        guard isReachable == false || problem != nil else { return nil }
        return "This machine has no token yet, and the other machines cannot be asked (\(problem ?? "no answer")). "
            + "Asking them is tried again by itself; a login would end the session that they may have."
            + (remedy.map { " \($0)" } ?? "")
    }

    /// Reads what `json` gave; nil if it is something else.
    public init?(_ json: JSONValue) {
        guard let engine = json["engine"]?.string, let name = json["name"]?.string else { return nil }
        self.init(engine: engine, name: name)
        isReachable = json["reachable"]?.bool
        switch json["revision"] {
        case .number(let text)?, .string(let text)?: revision = text
        default: break
        }
        era = json["era"]?.integer
        generation = json["generation"]?.integer
        if let by = json["claim"]?["by"]?.string, let age = json["claim"]?["age"]?.integer {
            claim = Claim(by: by, age: age)
        }
        notSharedFor = json["not_shared_for"]?.integer
        problem = json["problem"]?.string
        remedy = json["remedy"]?.string
    }

    /// The same for people, in a few words each.
    public var lines: [String] {
        var words = [
            isReachable.map { $0 ? "reachable" : "NOT REACHABLE" }, generation.map { "generation \($0)" },
            era.map { "era \($0)" }, revision.map { "revision \($0)" },
        ].compactMap(\.self)
        if words.isEmpty { words = ["not asked: squire shared status asks it"] }
        var lines = ["\(name) in \(engine): \(words.joined(separator: ", "))"]
        if let claim { lines.append("\(claim.by) refreshes it, for \(claim.age) s") }
        if let notSharedFor { lines.append("NOT SHARED for \(notSharedFor) s") }
        if let caveat = Self.caveat(of: engine) { lines.append(caveat) }
        return lines
    }

    /// What whoever relies on that engine must know; nil for one that was tried as it will be used.
    public static func caveat(of engine: String) -> String? {
        guard engine == "kubernetes" else { return nil }
        return "kubernetes was tried against an API server of Squire's own tests, and not yet against a real cluster"
    }

    public var json: JSONValue {
        let number = { (value: Int?) in value.map(JSONValue.integer) ?? .null }
        // A number where the engine counts.
        let spelled = revision.map { text in Int64(text).map { JSONValue.number(String($0)) } ?? .string(text) }
        return .object([
            .init("engine", .string(engine)), .init("name", .string(name)),
            .init("reachable", isReachable.map(JSONValue.bool) ?? .null),
            .init("revision", spelled ?? .null), .init("era", number(era)),
            .init("generation", number(generation)),
            .init(
                "claim",
                claim.map { .object([.init("by", .string($0.by)), .init("age", .integer($0.age))]) } ?? .null
            ),
            .init("not_shared", .bool(notSharedFor != nil)), .init("not_shared_for", number(notSharedFor)),
            .init("problem", problem.map(JSONValue.string) ?? .null),
            .init("remedy", remedy.map(JSONValue.string) ?? .null),
        ])
    }
}
