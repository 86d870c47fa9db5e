import Credentials
import Diagnosis
import HTTP1
import Platform
import ReverseProxy
import Settings
import Upstream

/// Goes the way to the API, and has `WayDiagnosis` say what it saw.
struct WayCheck {
    private let loaded: LoadedConfiguration
    private let configuration: ProxyConfiguration

    init(_ loaded: LoadedConfiguration) {
        self.loaded = loaded
        configuration = loaded.configuration
    }

    /// What a person waits for an answer, where the configuration would wait longer.
    private static let patience = Duration.seconds(10)

    static func answerLimit(_ configuration: ProxyConfiguration) -> Duration {
        min(configuration.timeouts.firstByte, patience)
    }

    /// Blocking: contacts the API, without the token.
    func lines() -> [CheckLine] {
        let answerLimit = Self.answerLimit(configuration)
        let started = SystemClock().wall()
        var request = SessionRequests(configuration).request(
            "GET",
            "/",
            token: nil,
            timeout: configuration.timeouts.connect + answerLimit
        )
        // The head says all there is to know.
        request.maximumResponseBytes = 0
        let report = request.report(configuration.upstreamSettings, answerWithin: answerLimit)
        let diagnosis = WayDiagnosis(
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

    /// Plain HTTP got an answer that a port of TLS gives.
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

    private var files: WayDiagnosis.Files {
        WayDiagnosis.Files(
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

    /// The file that was changed last, of those that are at hand: time has come so far for certain.
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
