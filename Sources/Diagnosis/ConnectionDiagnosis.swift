import HTTP1
import Platform
public import ReverseProxy
import Settings
import Support
public import Upstream

/// Turns what was observed on the way to the API into lines, in the order DNS, connection, proxy, TLS, clock, API.
/// Pure.
///
/// A line says what was found and, if something is wrong, what to do about it. The first failure is the last line.
public struct ConnectionDiagnosis: Sendable {
    public var upstream: Origin
    public var proxy: UpstreamSettings.Proxy
    public var files: Files
    public var limits: Limits
    public var clock: Clock
    /// Whether the server answered a TLS handshake although plain HTTP is configured.
    public var speaksTLS: Bool

    /// The files under `tls:`, and their contents.
    public struct Files: Sendable {
        public var paths: TLSConfiguration
        public var authorities: [Certificate]
        public var certificate: Certificate?

        public init(_ paths: TLSConfiguration, authorities: [Certificate] = [], certificate: Certificate? = nil) {
            self.paths = paths
            self.authorities = authorities
            self.certificate = certificate
        }
    }

    /// The time limit of each step.
    public struct Limits: Sendable {
        public var connect: Duration
        public var answer: Duration

        public init(connect: Duration, answer: Duration) {
            self.connect = connect
            self.answer = answer
        }
    }

    /// This machine's clock before and after the request, in seconds since 1970, and evidence about whether it is
    /// right.
    public struct Clock: Sendable {
        public var started: Int
        public var ended: Int
        /// A time that has certainly passed: that of a file's last change.
        public var past: (moment: Int, file: String)?

        public init(started: Int, ended: Int, past: (moment: Int, file: String)? = nil) {
            self.started = started
            self.ended = ended
            self.past = past
        }
    }

    public init(
        upstream: Origin,
        proxy: UpstreamSettings.Proxy = .none,
        files: Files,
        limits: Limits,
        clock: Clock,
        speaksTLS: Bool = false
    ) {
        self.upstream = upstream
        self.proxy = proxy
        self.files = files
        self.limits = limits
        self.clock = clock
        self.speaksTLS = speaksTLS
    }

    /// `request` describes what was sent, such as `GET /`.
    public func lines(_ report: RequestReport, to request: String) -> [CheckLine] {
        var lines: [CheckLine] = []
        let failure: RequestReport.Failure? =
            if case .failed(let failure) = report.outcome { failure } else { nil }
        for stage in [RequestReport.Stage.resolving, .connecting, .tunnelling, .securing] {
            if let failure, failure.stage == stage { return lines + [line(of: failure, report, request)] }
            if let line = passed(stage, report) { lines.append(line) }
        }
        switch report.outcome {
        case .failed(let failure): return lines + [line(of: failure, report, request)]
        case .response(let response):
            lines.append(clockLine(response["Date"]))
            let api = ResponseDiagnosis(upstream: upstream, request: request, now: clock.ended, speaksTLS: speaksTLS)
            return lines + [api.line(response)]
        }
    }

    // MARK: What passed

    private func passed(_ stage: RequestReport.Stage, _ report: RequestReport) -> CheckLine? {
        let progress = report.progress
        switch stage {
        case .resolving: return .ok("DNS", resolved(report))
        case .connecting:
            let time = Self.milliseconds(progress.connected, since: progress.resolved)
            return .ok("connection", report.proxy.map { "to the proxy \($0)\(time)" } ?? "\(place)\(time)")
        case .tunnelling: return report.proxy.map { .ok("proxy", "\($0) connects to \(place)") }
        case .securing:
            guard upstream.isSecure else { return .note("TLS", "not used: \(upstream)") }
            let time = Self.milliseconds(progress.secured, since: progress.connected, separator: "")
            guard let peer = report.certificates.peer.flatMap(Certificate.init(der:)) else { return .ok("TLS", time) }
            return .ok("TLS", "\(time)\(time.isEmpty ? "" : ", ")\(Self.title(peer)), \(Self.validity(peer))")
        case .answering: return nil
        }
    }

    private func resolved(_ report: RequestReport) -> String {
        let time = Self.milliseconds(report.progress.resolved, since: nil)
        let address = report.address.map { " is \($0)" } ?? " is resolved"
        if let proxy = report.proxy { return "the proxy \(proxy)\(address)\(time)" }
        if isAddress { return "not needed: \(host) is an address" }
        return "\(host)\(address)\(time)"
    }

    var host: String { upstream.authority.host }
    var place: String { "\(host) port \(upstream.port)" }

    private var isAddress: Bool {
        host.contains(":") || host.utf8.allSatisfy { Octet.isDigit($0) || $0 == UInt8(ascii: ".") }
    }

    private static func milliseconds(_ end: Double?, since start: Double?, separator: String = ", ") -> String {
        guard let end, end < 1e6 else { return "" }
        return "\(separator)\(Int(max(end - (start ?? 0), 0) * 1000)) ms"
    }

    // MARK: What failed

    private func line(of failure: RequestReport.Failure, _ report: RequestReport, _ request: String) -> CheckLine {
        switch failure.stage {
        case .resolving: return .fail("DNS", unresolved(failure, report))
        case .connecting: return .fail("connection", unconnected(failure, report))
        case .tunnelling: return .fail("proxy", refused(failure, report))
        case .securing: return .fail("TLS", untrusted(failure, report))
        case .answering: return .fail("API", unanswered(failure, request))
        }
    }

    private func unresolved(_ failure: RequestReport.Failure, _ report: RequestReport) -> String {
        let setting = failure.isOfProxy ? proxySetting : "upstream"
        if failure.cause == .timeout {
            let name = failure.isOfProxy ? report.proxy.map { "the proxy \($0)" } ?? "the proxy" : host
            return
                "\(name) is not resolved within \(Quantity.text(limits.connect)): check the network and its DNS server"
        }
        return "\(failure.error.detail): check the spelling of \(setting), and the network"
    }

    private func unconnected(_ failure: RequestReport.Failure, _ report: RequestReport) -> String {
        let peer = failure.isOfProxy ? "the proxy \(report.proxy ?? "")" : place
        let problem =
            switch failure.cause {
            case .timeout: "does not answer within \(Quantity.text(limits.connect))"
            case .notConnected(let code) where code != 0: "cannot be reached: \(SystemText.of(code))"
            default: "cannot be reached: \(failure.error.detail)"
            }
        let advice =
            failure.isOfProxy
            ? "check \(proxySetting), and that the proxy is running; to go without it: proxy: none"
            : "check host and port of upstream, firewalls, and whether a proxy: is needed"
        return "\(peer) \(problem): \(advice)"
    }

    private func refused(_ failure: RequestReport.Failure, _ report: RequestReport) -> String {
        let name = report.proxy ?? ""
        switch failure.cause {
        case .timeout:
            return "the proxy \(name) accepts the connection and does not connect to \(place) within "
                + "\(Quantity.text(limits.connect)): check \(proxySetting), and ask whoever runs it"
        case .untrusted, .wrongName, .alert, .incompatible:
            return "the TLS of the proxy \(name) fails: \(failure.error.detail): check \(proxySetting)"
        case .notTLS:
            return "the proxy \(name) does not speak TLS: write http:// instead of https:// in \(proxySetting)"
        default:
            return "\(failure.error.detail): \(failure.error.advice ?? "check \(proxySetting)")"
        }
    }

    /// Where the proxy is configured.
    private var proxySetting: String {
        proxy == .environment ? "the environment's https_proxy, http_proxy or all_proxy" : "the proxy setting"
    }

    private func unanswered(_ failure: RequestReport.Failure, _ request: String) -> String {
        if speaksTLS { return ResponseDiagnosis.speaksTLS(upstream) }
        switch failure.cause {
        case .timeout:
            return
                "no answer to \(request) within \(Quantity.text(limits.answer)), though the connection is good: the API, "
                + "or what stands before it, hangs. Try again later, then ask its operator"
        case .notHTTP: return "what \(place) answers is not HTTP: check the port of upstream"
        case .closed where upstream.isSecure:
            return
                "\(place) closes the connection without an answer to \(request): is that an HTTP server, and does it "
                + "want a client certificate? \(clientCertificateAdvice)"
        case .closed:
            return "\(place) closes the connection without an answer to \(request): is that an HTTP server, or does it "
                + "want https://?"
        default: return "\(failure.error.detail): is that an HTTP server?"
        }
    }

    // MARK: Clock

    private static let tolerance = 5

    /// `date` is the API's Date field.
    private func clockLine(_ date: String?) -> CheckLine {
        guard let date = date.flatMap(HTTPDate.seconds) else { return .note("clock", "the API sends no Date") }
        // The response was created between the two readings.
        let skew = date < clock.started ? date - clock.started : date > clock.ended ? date - clock.ended : 0
        guard abs(skew) > Self.tolerance else { return .ok("clock", "within \(max(1, abs(skew))) s") }
        return .warn(
            "clock",
            "the API's clock is \(abs(skew)) s \(skew > 0 ? "ahead of" : "behind") this machine's; tokens are judged from "
                + "their receipt, so this is harmless, but check NTP"
        )
    }
}

/// The system's description of an error number.
enum SystemText {
    static func of(_ code: Int32) -> String { unsafe String(cString: strerror(code)).lowercased() }
}
