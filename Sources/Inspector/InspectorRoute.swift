/// The inspector's resources, by path and method. Pure.
enum InspectorRoute: Equatable {
    case page
    /// One of the page's files, by its name.
    case file(String)
    case health, readiness, metrics, status, refresh, reload
    /// The list; DELETE clears it, POST sends a composed request.
    case exchanges
    /// The list as HAR.
    case archive
    /// One exchange, by the identifier in the path.
    case exchange(String)
    case exchangeArchive(String)
    case requestBody(String)
    /// The response's body in the attempt with that number.
    case responseBody(String, attempt: Int)
    case preview(String, attempt: Int)
    case replay(String)
    case pin(String)
    case record, explain, generations, events

    init?(path: String) {
        switch path {
        // `http://host` without a path means the root.
        case "/", "": self = .page
        case "/healthz": self = .health
        case "/readyz": self = .readiness
        case "/metrics": self = .metrics
        case "/api/status": self = .status
        case "/api/session/refresh": self = .refresh
        case "/api/reload": self = .reload
        case "/api/exchanges": self = .exchanges
        case "/api/exchanges.har": self = .archive
        case "/api/record": self = .record
        case "/api/explain": self = .explain
        case "/api/generations": self = .generations
        case "/api/events": self = .events
        default:
            let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard path.hasPrefix("/"), !parts.contains("") else { return nil }
            switch (parts.count, parts[0], parts.dropFirst().first) {
            case (2, "page", let name?): self = .file(name)
            case (3..., "api", "exchanges"): self.init(exchange: parts[2], Array(parts.dropFirst(3)))
            default: return nil
            }
        }
    }

    private init?(exchange id: String, _ rest: [String]) {
        switch (rest.count, rest.first) {
        case (0, _):
            self = id.hasSuffix(".har") ? .exchangeArchive(String(id.dropLast(4))) : .exchange(id)
        case (1, "body"): self = .requestBody(id)
        case (1, "replay"): self = .replay(id)
        case (1, "pin"): self = .pin(id)
        case (3, "attempts"):
            guard let number = Int(rest[1]), String(number) == rest[1] else { return nil }
            switch rest[2] {
            case "body": self = .responseBody(id, attempt: number)
            case "preview": self = .preview(id, attempt: number)
            default: return nil
            }
        default: return nil
        }
    }

    /// HEAD is allowed wherever GET is, except for the event stream.
    var methods: [String] {
        switch self {
        case .page, .file, .health, .readiness, .metrics, .status, .archive, .exchange, .exchangeArchive, .requestBody,
            .responseBody, .preview, .generations:
            ["GET", "HEAD"]
        case .exchanges: ["GET", "HEAD", "POST", "DELETE"]
        case .events: ["GET"]
        case .record, .pin: ["PUT"]
        case .refresh, .reload, .replay, .explain: ["POST"]
        }
    }

    /// Whether it is answered even if the inspector is busy.
    var isVital: Bool { self == .health || self == .readiness }

    /// All methods that any resource supports.
    static let knownMethods = ["GET", "HEAD", "POST", "PUT", "DELETE"]

    /// Whether the path needs the key, if there is one: all that show or change anything do, and unknown paths, too.
    static func needsKey(path: String) -> Bool {
        path == "/metrics" || path == "/api" || path.hasPrefix("/api/")
    }
}
