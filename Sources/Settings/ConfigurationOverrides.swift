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
