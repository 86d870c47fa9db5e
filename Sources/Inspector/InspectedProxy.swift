public import Credentials
public import ReverseProxy

/// What the inspector shows of one proxy. Closures are called on the inspector's loop and must not block.
public struct InspectedProxy {
    public var listen: [String]
    /// Lines for a terminal that the page offers; empty for those that it knows itself.
    public var examples: [String]
    public var current: () -> Current
    public var snapshot: () -> Counters.Snapshot
    /// What its workers record.
    public var recordings: Recordings
    /// What came of exchanges under each of the last tokens.
    public var generationCounts: () -> [Generation: GenerationCounts]
    /// Gives it one end of a socket pair, as a client's connection, which it owns from then on.
    public var adopt: (_ descriptor: Int32, _ origin: ConnectionOrigin) -> Void
    /// Has the configuration read again, if it is the one at that real path, nil being any. Calls back once, on any
    /// thread, or never when the process is ending.
    public var reload: (_ configuration: String?, _ completion: @escaping @Sendable (ReloadOutcome) -> Void) -> Void

    public init(
        listen: [String],
        examples: [String] = [],
        current: @escaping () -> Current,
        snapshot: @escaping () -> Counters.Snapshot,
        recordings: Recordings,
        generationCounts: @escaping () -> [Generation: GenerationCounts],
        adopt: @escaping (Int32, ConnectionOrigin) -> Void,
        reload: @escaping (String?, @escaping @Sendable (ReloadOutcome) -> Void) -> Void
    ) {
        self.listen = listen
        self.examples = examples
        self.current = current
        self.snapshot = snapshot
        self.recordings = recordings
        self.generationCounts = generationCounts
        self.adopt = adopt
        self.reload = reload
    }

    /// What a reload changes.
    public struct Current: Sendable {
        public var upstream: String
        public var session: Session
        /// Of one try of a refresh; nil where nothing can be refreshed.
        public var refreshTimeout: Duration?
        /// The real path of the configuration file; nil without one.
        public var configuration: String?
        /// What the proxy is told; nil in tests that need none of it.
        public var settings: ProxyConfiguration?
        /// The line that prints the session's token, `squire token --config …`; nil where none can be printed.
        public var tokenCommand: String?
        public var secrecy: Secrecy
        /// What would become of a request; nil when it is none.
        public var explain: @Sendable (Explanation.Request) -> Explanation?

        public init(
            upstream: String,
            session: Session,
            refreshTimeout: Duration?,
            configuration: String?,
            secrecy: Secrecy = Secrecy(),
            settings: ProxyConfiguration? = nil,
            tokenCommand: String? = nil,
            explain: @escaping @Sendable (Explanation.Request) -> Explanation? = { _ in nil }
        ) {
            self.settings = settings
            self.tokenCommand = tokenCommand
            self.upstream = upstream
            self.session = session
            self.refreshTimeout = refreshTimeout
            self.configuration = configuration
            self.secrecy = secrecy
            self.explain = explain
        }
    }
}

/// What the configuration says about what is secret.
public struct Secrecy: Sendable {
    /// By a field's name.
    public var isSecretField: @Sendable (String) -> Bool
    /// Values that are shown nowhere.
    public var secrets: [[UInt8]]
    /// How a request carries the token.
    public var credential: CredentialApplication

    public init(
        isSecretField: @escaping @Sendable (String) -> Bool = SecretField.isNamed,
        secrets: [[UInt8]] = [],
        credential: CredentialApplication = CredentialApplication()
    ) {
        self.isSecretField = isSecretField
        self.secrets = secrets
        self.credential = credential
    }
}

/// What reading the configuration again came to.
public enum ReloadOutcome: Sendable, Equatable {
    /// It is in force. `changed` are the keys whose new values count from now on; `restart` those whose values differ
    /// from what runs and count after a restart only.
    case reread(changed: [String], restart: [String])
    /// It is wrong: everything stays as it was.
    case refused([Mistake])
    /// This proxy was started with another file.
    case otherConfiguration
    /// This proxy cannot read anything again.
    case notReloadable
    /// It is read again, but so many wait for that that this one is not told what comes of it.
    case tooMany
    /// This Squire ends.
    case stopping

    /// One thing that is wrong, and where.
    public struct Mistake: Sendable, Equatable, CustomStringConvertible {
        /// The file, option or variable.
        public var source: String
        /// Counted from 1; nil outside of a file.
        public var line: Int?
        public var detail: String

        public init(source: String, line: Int?, detail: String) {
            self.source = source
            self.line = line
            self.detail = detail
        }

        /// `FILE:LINE: what is wrong`.
        public var description: String { (line.map { "\(source):\($0)" } ?? source) + ": \(detail)" }
    }
}
