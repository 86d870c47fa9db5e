import Credentials
import EventIO
import Logging
import ReverseProxy
import Settings

/// Describes a proxy's state.
extension ProxyService {
    /// The first line of the log: what runs.
    var startMessage: LogMessage {
        let status = session.status
        // The issuer chose this text, which may have any length.
        let subject = status.subject.map { String(String.UnicodeScalarView($0.unicodeScalars.prefix(64))) }
        let token: String =
            switch (Self.shownState(status), status.expiresIn) {
            case (.usable, _) where status.isRejected: "the API refuses the token"
            case (.loginNeeded, _): "a login is needed"
            case (.none, _): "nobody is logged in"
            case (.starting, _): "the first token is asked for"
            case (.unused, _): "no session"
            case (.usable, nil), (.refreshing, nil): "token of unknown life"
            case (.usable, let life?) where life <= 0, (.refreshing, let life?) where life <= 0:
                "token has expired and is refreshed when it is needed"
            case (.usable, let life?), (.refreshing, let life?): "token good for \(Quantity.words(seconds: life))"
            }
        let listen = addresses.map(\.url)
        let upstream = loaded.configuration.upstreamURL
        let words = [
            "squire \(Version.number): \(listen.joined(separator: " and ")) -> \(upstream)",
            subject.map { "customer \($0)" }, token, page.map { "open \($0) to see what goes through" },
        ]
        return LogMessage(
            .notice,
            event: "start",
            words.compactMap(\.self).joined(separator: ", "),
            [
                ("version", .text(Version.number)), ("listen", .list(listen)), ("upstream", .text(upstream)),
                ("subject", subject.map(LogMessage.Value.text)), ("session", .text(status.state.rawValue)),
                ("expires_in", status.expiresIn.map(LogMessage.Value.number)),
                ("inspector", page.map(LogMessage.Value.text)),
            ]
        )
    }

    /// The state to show: `starting` while the source is asked for the first token.
    static func shownState(_ status: SessionStatus) -> SessionStatus.State {
        status.state == .refreshing && status.receivedAt == nil ? .starting : status.state
    }

    /// The address of the inspector's page; nil if no browser can reach it.
    var page: String? {
        guard let address = inspector?.address, case .tcp = address else { return nil }
        return address.url + "/"
    }

    /// `startMessage` as a line; nil if the log level excludes it.
    var startLine: ByteBuffer? { logging.messages.line(startMessage, at: logging.begun) }

    // MARK: For a service manager

    /// Such as `http://127.0.0.1:8080 -> https://api.example.com: the session is usable`. Contains no secret.
    var statusLine: String {
        let status = session.status
        let session =
            switch Self.shownState(status) {
            case .usable where status.isRejected: "the API refuses the token"
            case .usable, .refreshing: "the session is usable"
            case .loginNeeded: "a login is needed"
            case .none: "nobody is logged in"
            case .starting: "the first token is asked for"
            case .unused: "no session"
            }
        let listen = addresses.map(\.url).joined(separator: " and ")
        let reload = isReloadRefused ? ", the last reload was refused (see the log)" : ""
        return "\(listen) -> \(loaded.configuration.upstreamURL): \(session)\(reload)"
    }

    /// How long `drain` and `stop` take at most, according to the configuration.
    var longestStop: Duration {
        let refresh = session.spends ? loaded.configuration.session.timeout ?? .seconds(1) : .zero
        return shutdownTimeout + refresh + refresh + Self.margin
    }

    /// Extra time, for the last writes and for closing.
    private static let margin = Duration.seconds(10)
}
