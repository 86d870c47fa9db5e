import EventIO
import ReverseProxy

/// Settings from options and the environment. Both win over the file; options win over the environment.
public struct ConfigurationOverrides: Sendable {
    /// A value and its option or variable, such as `--listen` or `SQUIRE_LISTEN`.
    public struct Value: Sendable {
        public var text: String
        public var source: String

        public init(_ text: String, source: String) {
            self.text = text
            self.source = source
        }
    }

    public var listen: Value?
    public var upstream: Value?
    public var headers: [Value] = []
    public var session: Value?
    public var inspector: Value?
    public var workers: Value?
    public var logLevel: Value?
    public var logFormat: Value?

    public init() {}

    /// Reads the variables. An empty one counts as unset.
    public init(environment: [String: String]) {
        let value = { (name: String) in
            environment[name].flatMap { $0.isEmpty ? nil : Value($0, source: name) }
        }
        listen = value("SQUIRE_LISTEN")
        upstream = value("SQUIRE_UPSTREAM")
        headers =
            value("SQUIRE_HEADER").map { header in
                header.text.split(separator: "\n").map { Value(String($0), source: header.source) }
            } ?? []
        session = value("SQUIRE_SESSION")
        inspector = value("SQUIRE_INSPECTOR")
        workers = value("SQUIRE_WORKERS")
        logLevel = value("SQUIRE_LOG_LEVEL")
        logFormat = value("SQUIRE_LOG_FORMAT")
    }

    /// The variables that mean something, to `squire run` or to what it starts.
    static let variables = [
        "SQUIRE_CONFIG", "SQUIRE_LISTEN", "SQUIRE_UPSTREAM", "SQUIRE_HEADER", "SQUIRE_SESSION", "SQUIRE_INSPECTOR",
        "SQUIRE_WORKERS", "SQUIRE_LOG_LEVEL", "SQUIRE_LOG_FORMAT",
    ]
    /// What Squire sets for others.
    static let given = ["SQUIRE_URL", "SQUIRE_SOCKET", "SQUIRE_TOKEN", "SQUIRE_EXEC", "SQUIRE_EXEC_COMMANDS"]
    /// What scripts and tests say to each other. It changes nothing that Squire does.
    private static let silent = ["SQUIRE_BINARY"]

    /// What to say about variables that look like Squire's and mean nothing to it.
    public static func warnings(_ environment: [String: String]) -> [String] {
        let unknown = environment.keys.filter { name in
            name.hasPrefix("SQUIRE_") && !(variables + given + silent).contains(name)
                && !name.hasPrefix("SQUIRE_TEST_")
        }
        return unknown.sorted().map { name in
            let hint = Suggestion.question(Spelling.nearest(to: name, among: variables))
            return "the variable \(name) means nothing here\(hint)"
        }
    }

    /// What is wrong with the form of an option's value, whatever else is configured; nil if nothing is.
    public var malformed: String? {
        let isOption = { (value: Value?) in value.flatMap { $0.source.hasPrefix("--") ? $0 : nil } }
        if let value = isOption(session), value.text.isEmpty { return "\(value.source) must name a session file" }
        if let value = isOption(upstream), let problem = ConfigurationSections.problem(upstream: value.text) {
            return "\(value.source) \(problem)"
        }
        for value in headers.compactMap(isOption) {
            guard let problem = ConfigurationSections.problem(headerLine: value.text) else { continue }
            return "\(value.source) \(problem)"
        }
        if let value = isOption(listen), let problem = AddressForm.problem(value.text, AddressForm.listen) {
            return "\(value.source) \(problem)"
        }
        if let value = isOption(inspector), !AddressForm.isOff(value.text),
            let problem = AddressForm.problem(value.text, AddressForm.inspector)
        {
            return "\(value.source) \(problem)"
        }
        guard let value = isOption(workers), ConfigurationSections.workers(value.text) == nil else { return nil }
        return "\(value.source) \(ConfigurationSections.workersForm), not \"\(value.text)\""
    }

    /// Why these settings cannot be those of several proxies in one process; nil if they can.
    public var problemWithSeveral: String? {
        let isFixed = { (text: String) in
            if case .tcp(_, 0)? = ListenAddress(text) { return false }
            return text != "off"
        }
        let shared = [session, upstream] + [listen, inspector].map { $0.flatMap { isFixed($0.text) ? $0 : nil } }
        guard let one = shared.compactMap({ $0 }).first else { return nil }
        return "\(one.source) is one value, and each of several --config needs its own: set it in each file"
    }

    /// These settings, completed by `other`.
    public func over(_ other: ConfigurationOverrides) -> ConfigurationOverrides {
        var result = self
        result.listen = listen ?? other.listen
        result.upstream = upstream ?? other.upstream
        result.headers = other.headers + headers
        result.session = session ?? other.session
        result.inspector = inspector ?? other.inspector
        result.workers = workers ?? other.workers
        result.logLevel = logLevel ?? other.logLevel
        result.logFormat = logFormat ?? other.logFormat
        return result
    }
}
