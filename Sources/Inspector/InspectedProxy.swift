public import Credentials
public import ReverseProxy

/// The inspector's access to one proxy. Closures are called on the inspector's loop and must not block.
public struct InspectedProxy {
    public var listen: [String]
    /// Command lines that the page offers; empty for the page's own.
    public var examples: [String]
    public var current: () -> Current
    public var snapshot: () -> Counters.Snapshot
    /// The recordings of its workers.
    public var recordings: Recordings
    /// The counts of exchanges for each of the last generations.
    public var generationCounts: () -> [Generation: GenerationCounts]
    /// Passes it one end of a socket pair as a client's connection; the proxy then owns the descriptor.
    public var adopt: (_ descriptor: Int32, _ origin: ConnectionOrigin) -> Void
    /// Reloads the configuration if its real path is `configuration`; nil means any. Calls `completion` once, on any
    /// thread, or never if the process is ending.
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

    /// The data that a reload may change.
    public struct Current: Sendable {
        public var upstream: String
        public var session: Session
        /// The time limit for one attempt to refresh; nil if nothing can be refreshed.
        public var refreshTimeout: Duration?
        /// The real path of the configuration file; nil if there is none.
        public var configuration: String?
        /// The proxy's configuration; nil in tests that do not need it.
        public var settings: ProxyConfiguration?
        /// The command line that prints the session's token, `squire token --config …`; nil if there is none.
        public var tokenCommand: String?
        public var secrecy: SecrecyHistory
        /// Explains what would happen to a request; nil if it is not valid.
        public var explain: @Sendable (Explanation.Request) -> Explanation?

        public init(
            upstream: String,
            session: Session,
            refreshTimeout: Duration?,
            configuration: String?,
            secrecy: SecrecyHistory = SecrecyHistory(Secrecy()),
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

/// The result of a reload.
public enum ReloadOutcome: Sendable, Equatable {
    /// The new configuration is in effect. `changed` are the keys with new values; `restart` are those whose new values
    /// need a restart.
    case reread(changed: [String], restart: [String])
    /// It has mistakes, and nothing has changed.
    case refused([Mistake])
    /// This proxy was started with another file.
    case otherConfiguration
    /// This proxy cannot be reloaded.
    case notReloadable
    /// It is being reloaded, but too many requests wait for the result.
    case tooMany
    /// The process is ending.
    case stopping

    /// One mistake, and its place.
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
