import Credentials
import EventIO
import Logging
import ReverseProxy
import Settings

/// What a proxy says of itself.
extension ProxyService {
    /// What runs, for the first line of the log.
    var startMessage: LogMessage {
        let status = session.status
        // Whoever issued the token chose it.
        let subject = status.subject.map { String(String.UnicodeScalarView($0.unicodeScalars.prefix(64))) }
        let token: String =
            switch (Self.shownState(status), status.expiresIn) {
            case (.loginNeeded, _): "a login is needed"
            case (.none, _): "nobody is logged in"
            case (.starting, _): "the first token is asked for"
            case (.unused, _): "no session"
            case (.usable, nil), (.refreshing, nil): "token of unknown life"
            case (.usable, let life?) where life <= 0, (.refreshing, let life?) where life <= 0:
                "token has expired and is refreshed when it is needed"
            case (.usable, let life?), (.refreshing, let life?): "token good for \(Quantity.words(seconds: life))"
            }
        let listen = names.map(\.url)
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

    /// The first token is on its way while the source is asked.
    static func shownState(_ status: SessionStatus) -> SessionStatus.State {
        status.state == .refreshing && status.receivedAt == nil ? .starting : status.state
    }

    /// The address of the inspector's page; nil where a browser reaches none.
    var page: String? {
        guard let name = inspector?.name, case .tcp = name else { return nil }
        return name.url + "/"
    }

    /// The same as a line; nil when the level leaves it out.
    var startLine: ByteBuffer? { logging.messages.line(startMessage, at: logging.begun) }

    // MARK: For a service manager

    /// `http://127.0.0.1:8080 -> https://api.example.com: usable`, without a secret.
    var statusLine: String {
        let session =
            switch Self.shownState(session.status) {
            case .usable, .refreshing: "the session is usable"
            case .loginNeeded: "a login is needed"
            case .none: "nobody is logged in"
            case .starting: "the first token is asked for"
            case .unused: "no session"
            }
        let listen = names.map(\.url).joined(separator: " and ")
        let reload = isReloadRefused ? ", the last reload was refused (see the log)" : ""
        return "\(listen) -> \(loaded.configuration.upstreamURL): \(session)\(reload)"
    }

    /// How long `drain` and `stop` take at most, by what the configuration says.
    var longestStop: Duration {
        let refresh = session.spends ? loaded.configuration.session.timeout ?? .seconds(1) : .zero
        return shutdownTimeout + refresh + refresh + Self.margin
    }

    /// For what is written and closed at the end.
    private static let margin = Duration.seconds(10)
}
