import EventIO
import HTTP1
import LocalServer
import Platform

/// Serves the redirect URI to the browser.
///
/// *Threading*: belongs to the loop of its `LoopbackRedirect`.
final class RedirectPage: LocalHandler {
    private enum State {
        case waiting
        /// The answer has arrived, and the browser that brought it waits for a page.
        case answered(RedirectAnswer, LocalResponder)
        case over
    }

    private let judge: RedirectJudge
    private var state = State.waiting
    private var servers: [LocalServer] = []
    private var signal: () -> Void = {}

    init(judge: RedirectJudge) {
        self.judge = judge
    }

    /// Calls `signal` once, when the answer has arrived.
    func serve(
        _ sockets: [ListeningSocket],
        on loop: EventLoop,
        admits: @escaping (Int32) -> Bool,
        signal: @escaping () -> Void
    ) {
        self.signal = signal
        servers = sockets.map {
            LocalServer(
                loop: loop,
                socket: $0,
                handler: self,
                maxConnections: 32,
                period: .seconds(30),
                admits: admits
            )
        }
    }

    var answer: RedirectAnswer? {
        if case .answered(let answer, _) = state { answer } else { nil }
    }

    /// Whether a response is being sent.
    var isBusy: Bool { servers.contains { $0.busyCount > 0 } }

    func show(_ outcome: AuthorizationCodeLogin.Outcome) {
        defer { state = .over }
        guard case .answered(_, let responder) = state else { return }
        switch outcome {
        case .loggedIn(let who):
            let name = who.map { " as customer <b>\(Self.escaped($0))</b>" } ?? ""
            responder.send(Self.page(200, "Logged in", "You are logged in\(name). This window can be closed."))
        case .failed(let reason):
            responder.send(
                Self.page(200, "Not logged in", "Nobody is logged in: \(Self.escaped(reason)). See the terminal.")
            )
        }
    }

    func stop() {
        for server in servers { server.stop() }
        servers = []
    }

    // MARK: Requests

    func refusal(of request: LocalRequest) -> LocalResponse? {
        switch verdict(request) {
        case .refused(let refusal): Self.response(refusal)
        case .answer: nil
        }
    }

    func serve(_ request: LocalRequest, _ responder: LocalResponder) {
        switch (verdict(request), state) {
        case (.refused(let refusal), _):
            responder.send(Self.response(refusal))
        case (.answer(let answer), .waiting):
            state = .answered(answer, responder)
            signal()
        case (.answer, .answered), (.answer, .over):
            // The page was reloaded, or the link followed twice: the code is spent.
            responder.send(Self.page(400, "Not logged in", "This login has had its answer."))
        }
    }

    func response(to error: HTTP1Error) -> LocalResponse {
        Self.page(error == .bodyTooLarge ? 413 : 400, "No login", "This request cannot be read.")
    }

    private func verdict(_ request: LocalRequest) -> RedirectJudge.Verdict {
        judge.verdict(method: request.method, path: request.path, query: request.query) { request.joined($0) }
    }

    private static func response(_ refusal: RedirectRefusal) -> LocalResponse {
        var response = page(refusal.status, "No login", escaped(refusal.reason) + ".")
        if refusal == .method { response.fields.append(("Allow", "GET")) }
        return response
    }

    /// `text` is HTML. The address in the browser contains a code, so the page loads nothing, is not cached or framed,
    /// and sends no referrer.
    private static func page(_ status: Int, _ title: String, _ text: String) -> LocalResponse {
        LocalResponse(
            status,
            contentType: "text/html; charset=utf-8",
            """
            <!doctype html><html lang="en"><meta charset="utf-8"><title>\(title)</title>
            <style>body{font:1.1em sans-serif;margin:15vh auto;max-width:34em;color-scheme:light dark}</style>
            <h1>\(title)</h1><p>\(text)</p></html>

            """,
            fields: [
                ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
                ("Cross-Origin-Resource-Policy", "same-origin"),
                (
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
                        + "frame-ancestors 'none'"
                ),
            ]
        )
    }

    /// Escapes `text` for HTML.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(400) {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\u{0}"..<" ", "\u{7F}"..<"\u{A0}", "\u{200E}"..."\u{200F}", "\u{202A}"..."\u{202E}",
                "\u{2066}"..."\u{2069}":
                result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
