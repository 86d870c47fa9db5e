public import Support

/// How a session is shared with other machines, for people and metrics.
public struct SharedStatus: Sendable, Equatable {
    /// A refresh that a machine has claimed.
    public struct Claim: Sendable, Equatable {
        /// The machine and the process.
        public var by: String
        /// Seconds since this machine first saw it.
        public var age: Int

        public init(by: String, age: Int) {
            self.by = by
            self.age = age
        }
    }

    /// The result of the last call to the engine.
    public enum Link: Sendable {
        /// There was no call yet.
        case unknown
        /// It cannot be read.
        case lost
        /// It can be read, but rejects writes.
        case readOnly
        case open
    }

    /// Something that the other machines do not know.
    public struct Unshared: Sendable, Equatable {
        public enum What: String, Sendable, CaseIterable {
            /// Tokens that are in use here.
            case token
            /// A logout on this machine.
            case logout
        }

        public var what: What
        /// For how many seconds; nil if it was so when this process started, and the engine has not been asked yet.
        public var seconds: Int?

        public init(_ what: What, seconds: Int? = nil) {
            self.what = what
            self.seconds = seconds
        }

        fileprivate init?(_ json: JSONValue) {
            guard let what = json["not_shared_what"]?.string.flatMap(What.init) else { return nil }
            self.init(what, seconds: json["not_shared_for"]?.integer)
        }
    }

    /// The store of the session: `etcd` or `kubernetes`.
    public var engine: String
    /// The session's name in the engine.
    public var name: String
    public var link = Link.unknown
    /// Why it cannot be reached or written, or its record cannot be used.
    public var problem: String?
    /// The remedy, as a sentence; nil if `problem` includes it.
    public var remedy: String?
    /// A part of the configuration that cannot work although the rest does; nil if none is known.
    public var misconfigured: String?
    /// The revision of the engine's record, in the engine's own notation; nil while it is unknown.
    public var revision: String?
    public var era: Int?
    public var generation: Int?
    public var claim: Claim?
    /// Nil if the other machines know what this one does.
    public var unshared: Unshared?

    /// Operations through the engine since this process began.
    public var counts = Counts()

    public struct Counts: Sendable, Equatable {
        /// The results of the claims that were written.
        public var claims = Claims()
        /// Refreshes that another machine had claimed before it fell silent.
        public var takeovers = 0
        /// Tokens of other machines that were adopted here.
        public var adoptions = 0
        /// The total time of the adoptions, each from the first news of the token.
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

    /// Fills in what the session file of `record` says about the session in `place`, while the engine has not been
    /// asked.
    mutating func tell(_ record: SessionRecord, in place: String?) {
        guard let identity = record.localHolding(in: place).identity else { return }
        (era, generation) = (identity.era, identity.generation)
        unshared = record.unshared.map { .init($0) } ?? unshared
    }

    /// Whether the engine can be read; nil before it was asked.
    public var isReachable: Bool? {
        switch link {
        case .unknown: nil
        case .lost: false
        case .readOnly, .open: true
        }
    }

    /// Whether the engine accepts writes; nil while that is unknown.
    public var isWritable: Bool? {
        switch link {
        case .unknown, .lost: nil
        case .readOnly: false
        case .open: true
        }
    }

    /// Whether the engine prevents every refresh.
    public var isBarred: Bool {
        switch link {
        case .lost, .readOnly: true
        case .unknown, .open: false
        }
    }

    /// Whether a machine is refreshing the tokens in use here, and will share the result.
    public var isBeingRefreshed: Bool { claim != nil && unshared?.what != .token && isReachable != false }

    /// The problem and its remedy; nil if there is none.
    public var advice: String? {
        let reason = problem.map { " (\($0))" } ?? ""
        let remedy = remedy.map { " \($0)" } ?? ""
        switch unshared?.what {
        case .token?:
            return "The token is in use here and NOT SHARED\(reason): until the other machines have it, they cannot "
                + "refresh, and a loss of this machine costs the login. Sharing is tried again by itself.\(remedy)"
        case .logout?:
            return "Somebody logged out here, and that is NOT SHARED\(reason): the other machines still have the "
                + "session until \(engine) answers, and are told then by the Squire that runs here.\(remedy)"
        case nil: break
        }
        guard let problem else { return nil }
        switch link {
        case .lost:
            return "The other machines cannot be asked (\(problem)): the token is used to its end, and not refreshed "
                + "until then.\(remedy)"
        case .readOnly:
            return "The other machines can be asked, and not told (\(problem)): the token is used to its end, and not "
                + "refreshed until then.\(remedy)"
        case .unknown, .open: return "The shared session \(name) cannot be used: \(problem).\(remedy)"
        }
    }

    /// The advice on a machine without a token; nil until the others were asked.
    public var adviceWithoutToken: String? {
        guard unshared == nil, isReachable == false || problem != nil else { return nil }
        return "This machine has no token yet, and the other machines cannot be asked (\(problem ?? "no answer")). "
            + "Asking them is tried again by itself; a login would end the session that they may have."
            + (remedy.map { " \($0)" } ?? "")
    }

    /// Parses the result of `json`; nil for anything else.
    public init?(_ json: JSONValue) {
        guard let engine = json["engine"]?.string, let name = json["name"]?.string else { return nil }
        self.init(engine: engine, name: name)
        switch (json["reachable"]?.bool, json["writable"]?.bool) {
        case (nil, _): link = .unknown
        case (false?, _): link = .lost
        case (true?, false?): link = .readOnly
        case (true?, _): link = .open
        }
        switch json["revision"] {
        case .number(let text)?, .string(let text)?: revision = text
        default: break
        }
        era = json["era"]?.integer
        generation = json["generation"]?.integer
        if let by = json["claim"]?["by"]?.string, let age = json["claim"]?["age"]?.integer {
            claim = Claim(by: by, age: age)
        }
        unshared = Unshared(json)
        problem = json["problem"]?.string
        remedy = json["remedy"]?.string
        misconfigured = json["misconfigured"]?.string
    }

    /// A short description for people, one line for each fact.
    public var lines: [String] {
        let access: String? =
            switch link {
            case .unknown: nil
            case .lost: "NOT REACHABLE"
            case .readOnly: "reachable, NOT WRITABLE"
            case .open: "reachable"
            }
        // The session file's, if the engine was not asked.
        var words = [
            access, generation.map { "generation \($0)" }, era.map { "era \($0)" }, revision.map { "revision \($0)" },
        ].compactMap(\.self)
        if link == .unknown { words.append("not asked: squire shared status asks it") }
        var lines = ["\(name) in \(engine): \(words.joined(separator: ", "))"]
        if let claim { lines.append("\(claim.by) refreshes it, for \(claim.age) s") }
        if let unshared {
            let since = unshared.seconds.map { " for \($0) s" } ?? ""
            switch unshared.what {
            case .token: lines.append("NOT SHARED\(since)")
            case .logout:
                lines.append("logged out here, NOT SHARED\(since): the others have it until \(engine) answers")
            }
        }
        if misconfigured != nil { lines.append("MISCONFIGURED, see below") }
        if let caveat = Self.caveat(of: engine) { lines.append(caveat) }
        return lines
    }

    /// A warning for users of that engine; nil if it was tested as it will be used.
    public static func caveat(of engine: String) -> String? {
        guard engine == "kubernetes" else { return nil }
        return "kubernetes was tried against an API server of Squire's own tests, and not yet against a real cluster"
    }

    public var json: JSONValue {
        let number = { (value: Int?) in value.map(JSONValue.integer) ?? .null }
        let text = { (value: String?) in value.map(JSONValue.string) ?? .null }
        // A number if the engine counts its revisions.
        let spelled = revision.map { text in Int64(text).map { JSONValue.number(String($0)) } ?? .string(text) }
        return .object([
            .init("engine", .string(engine)), .init("name", .string(name)),
            .init("reachable", isReachable.map(JSONValue.bool) ?? .null),
            .init("writable", isWritable.map(JSONValue.bool) ?? .null),
            .init("revision", spelled ?? .null), .init("era", number(era)),
            .init("generation", number(generation)),
            .init(
                "claim",
                claim.map { .object([.init("by", .string($0.by)), .init("age", .integer($0.age))]) } ?? .null
            ),
            .init("not_shared", .bool(unshared != nil)), .init("not_shared_what", text(unshared?.what.rawValue)),
            .init("not_shared_for", number(unshared?.seconds)),
            .init("problem", text(problem)), .init("remedy", text(remedy)),
            .init("misconfigured", text(misconfigured)),
        ])
    }
}
