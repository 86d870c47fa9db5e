/// What the inspector serves, by path and method. Pure.
enum InspectorRoute: CaseIterable {
    case page, health, readiness, metrics, status, refresh, reload
    /// Still to come.
    case exchanges, exchange, events

    init?(path: String) {
        switch path {
        // `http://host` alone asks for the root.
        case "/", "": self = .page
        case "/healthz": self = .health
        case "/readyz": self = .readiness
        case "/metrics": self = .metrics
        case "/api/status": self = .status
        case "/api/session/refresh": self = .refresh
        case "/api/reload": self = .reload
        case "/api/exchanges": self = .exchanges
        case "/api/events": self = .events
        case _ where path.hasPrefix("/api/exchanges/"): self = .exchange
        default: return nil
        }
    }

    /// HEAD wherever GET is, but to a stream, which has no end to stand for.
    var methods: [String] {
        switch self {
        case .page, .health, .readiness, .metrics, .status, .exchanges: ["GET", "HEAD"]
        case .events: ["GET"]
        case .exchange: ["GET", "HEAD", "POST"]
        case .refresh, .reload: ["POST"]
        }
    }

    /// Is answered whoever else keeps the inspector busy.
    var isVital: Bool { self == .health || self == .readiness }

    /// Every method that something here is asked with.
    static let knownMethods = ["GET", "HEAD", "POST", "PUT", "DELETE"]

    /// What shows or changes anything needs the key, where there is one: whether there is such a path, too.
    static func needsKey(path: String) -> Bool {
        path == "/metrics" || path == "/api" || path.hasPrefix("/api/")
    }
}
