import Credentials
import Diagnosis
import HTTP1
import Platform
import ReverseProxy
import Settings
import Upstream

/// Connects to the API, and lets `ConnectionDiagnosis` interpret what it observed.
struct ConnectionCheck {
    private let loaded: LoadedConfiguration
    private let configuration: ProxyConfiguration

    init(_ loaded: LoadedConfiguration) {
        self.loaded = loaded
        configuration = loaded.configuration
    }

    /// How long a person waits for an answer, if the configuration would wait longer.
    private static let patience = Duration.seconds(10)

    static func answerLimit(_ configuration: ProxyConfiguration) -> Duration {
        min(configuration.timeouts.firstByte, patience)
    }

    /// Blocks; contacts the API without the token.
    func lines() -> [CheckLine] {
        let answerLimit = Self.answerLimit(configuration)
        let started = SystemClock().wall()
        var request = SessionRequests(configuration).request(
            "GET",
            "/",
            token: nil,
            timeout: configuration.timeouts.connect + answerLimit
        )
        // The head is all that the diagnosis needs.
        request.maximumResponseBytes = 0
        let report = request.report(configuration.upstreamSettings, answerWithin: answerLimit)
        let diagnosis = ConnectionDiagnosis(
            upstream: configuration.upstream,
            proxy: configuration.proxy,
            files: files,
            limits: .init(connect: configuration.timeouts.connect, answer: answerLimit),
            clock: .init(started: started, ended: SystemClock().wall(), past: newestFile),
            speaksTLS: isInDoubt(report) && speaksTLS
        )
        return diagnosis.lines(report, to: "GET \(configuration.basePath)/")
    }

    // MARK: Plain or TLS

    /// Whether the answer to plain HTTP looks like that of a TLS port.
    private func isInDoubt(_ report: RequestReport) -> Bool {
        guard !configuration.upstream.isSecure else { return false }
        switch report.outcome {
        case .response(let response): return response.status == 400
        case .failed(let failure): return failure.stage == .answering
        }
    }

    private var speaksTLS: Bool {
        var origin = configuration.upstream
        origin.authority.port = origin.port
        origin.isSecure = true
        var settings = configuration.upstreamSettings
        settings.origin = origin.description
        settings.isSecure = true
        settings.connectTimeout = min(settings.connectTimeout, .seconds(5))
        return TLSQuestion.isAnswered(settings)
    }

    // MARK: Files

    private var files: ConnectionDiagnosis.Files {
        ConnectionDiagnosis.Files(
            configuration.tls,
            authorities: Self.certificates(configuration.tls.authorities),
            certificate: Self.certificates(configuration.tls.certificate).first
        )
    }

    /// What is in that file; nothing if it cannot be read.
    static func certificates(_ path: String?) -> [Certificate] {
        guard let path, case .success(let text) = TextFile.read(path, limit: 16 << 20) else { return [] }
        return Certificate.all(pem: Array(text.utf8))
    }

    /// The latest modification time of the files at hand: the present cannot be earlier.
    private var newestFile: (moment: Int, file: String)? {
        let paths = [loaded.path, loaded.sessionFile, CommandLine.arguments.first].compactMap { $0 }
        return paths.compactMap { path in
            var information = stat()
            guard stat(path, &information) == 0 else { return nil }
            #if os(Linux)
            return (Int(information.st_mtim.tv_sec), path)
            #else
            return (Int(information.st_mtimespec.tv_sec), path)
            #endif
        }.max { $0.0 < $1.0 }
    }
}
