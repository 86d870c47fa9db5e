public import Credentials
import EventIO
import HTTP1

/// What Squire would do with a request, and why: printed by `squire explain` and shown by the inspector. Contacts
/// nobody.
public struct Explanation: Sendable {
    /// A request that may be forwarded, with its treatment; a head without a body.
    public struct Request: Sendable {
        public var method: String
        public var target: String
        public var fields: [(name: String, value: String)]

        public init(method: String, target: String, fields: [(name: String, value: String)]) {
            self.method = method
            self.target = target
            self.fields = fields
        }
    }

    public enum Access: Sendable {
        case refused(Problem)
        /// Squire refuses it, too: it is no request at all.
        case malformed(Problem)
        /// Squire answers by itself, for the reason that follows the colon of such a sentence.
        case answered(String)
        case allowed(Forwarding)
    }

    /// What goes to the upstream.
    public struct Forwarding: Sendable {
        public var route: Route
        /// Scheme, host, port and base path.
        public var upstream: String
        /// How cookies in the answer are treated.
        public var cookies: String
        public var token: Token
        public var requestLine: String
        /// First the sent ones in their order, then the others.
        public var fields: [Field]
    }

    public struct Route: Sendable {
        public var kind: RouteKind
        /// Nil for an ordinary request.
        public var because: String?
        /// The configuration key that lists the pattern.
        public var source: String?
    }

    public struct Token: Sendable {
        public enum Action: String, Sendable {
            case attach
            case refreshFirst = "refresh_first"
            /// Squire answers by itself.
            case refuse
            case none
            /// The client's own credential is sent.
            case client
        }

        public var action: Action
        /// Nil if none is attached.
        public var generation: Generation?
        /// In seconds; nil if unknown.
        public var expiresIn: Int?
        public var advice: String?
        /// A summary in one sentence.
        public var text: String
    }

    public struct Field: Sendable {
        public enum What: String, Sendable {
            case kept, set, replaced, removed
            /// Squire generates it.
            case made
        }

        public var name: String
        /// The actual value, including secrets. The token's field has no token in it.
        public var value: String
        public var what: What
        /// Why it differs from the client's field; nil if it does not.
        public var why: String?
        /// The place in the configuration.
        public var source: String?
        /// The place of the value, if the value must not be shown.
        public var secret: String?
        /// The field carries the session's token.
        public var isToken = false
    }

    public var access: Access

    /// Queries the state of the session only if it matters.
    ///
    /// `applySource` is the place in the configuration that says how a token is applied to a request. `hasKey` says
    /// that the client has the key of `access.key`, whether it is among the fields or not. Nil if the arguments do not
    /// make a request.
    public init?(
        _ request: Request,
        _ configuration: ProxyConfiguration,
        applySource: String?,
        hasKey: Bool,
        status: () throws -> SessionStatus
    ) rethrows {
        let input = ByteBuffer(capacity: 4096)
        input.append("\(request.method) \(request.target) HTTP/1.1\r\n")
        if !request.fields.contains(where: { $0.name.lowercased() == "host" }) { input.append("Host: localhost\r\n") }
        for field in request.fields { input.append("\(field.name): \(field.value)\r\n") }
        input.append("\r\n")
        var parser = RequestParser(limits: configuration.limits.heads)
        var head = RequestHead()
        switch parser.parse(input.octets.span, into: &head) {
        case .failed(let error):
            let problem = Problem(error)
            access = problem.status == 400 ? .malformed(problem) : .refused(problem)
            return
        case .incomplete: return nil
        case .complete: break
        }
        var configuration = configuration
        if hasKey { configuration.access.key = nil }
        let policy = AccessPolicy(configuration, listeners: configuration.listen)
        var admission = Admission(head, input.readable, policy)
        if let basePath = BasePath(configuration.basePath) {
            admission.locate(head, input.readable, under: basePath, policy)
        }
        switch admission.decision {
        case .refuse(let problem): access = .refused(problem)
        case .preflight: access = .answered("the origin is one of access.origins, and may send this")
        case .options:
            access = .answered("Max-Forwards: 0 asks for the options of the proxy itself, RFC 9110 section 7.6.2")
        case .forward:
            access = try Explainer(configuration, applySource, head, input, admission.place).access(status)
        }
    }
}

/// Explains one request that is admitted.
private struct Explainer {
    private let configuration: ProxyConfiguration
    private let applySource: String?
    private let head: RequestHead
    private let input: ByteBuffer
    private let place: TargetPlace
    /// The lower-case names of the client's fields.
    private let given: Set<String>

    init(
        _ configuration: ProxyConfiguration,
        _ applySource: String?,
        _ head: RequestHead,
        _ input: ByteBuffer,
        _ place: TargetPlace
    ) {
        self.configuration = configuration
        self.applySource = applySource
        self.head = head
        self.input = input
        self.place = place
        given = Set(head.fields.map { input.text($0.name).lowercased() })
    }

    func access(_ status: () throws -> SessionStatus) rethrows -> Explanation.Access {
        let bytes = input.readable
        let match = RoutePolicy(
            configuration.session,
            upstream: configuration.upstream,
            basePath: configuration.basePath
        ).match(
            method: UnsafeRawBufferPointer(rebasing: bytes[head.methodRange.range]),
            path: UnsafeRawBufferPointer(rebasing: bytes[place.path(of: head).range])
        )
        let because = match.map { match in
            match.pattern.map { "because of \"\($0)\"" } ?? "because the path can be read in too many ways"
        }
        let output = ByteBuffer(capacity: 4096)
        var identifiers = IdentifierGenerator()
        let rendered = HeaderPolicy(configuration).render(
            head,
            bytes,
            route: match?.kind ?? .ordinary,
            place: place,
            keepsExpectation: false,
            identifiers: &identifiers,
            into: output
        )
        if rendered.isLoop { return .refused(.loopDetected) }
        let kind = (match?.kind ?? .ordinary).with(ownCredential: rendered.hasCredential)
        let status = try status()
        let token = token(kind, rendered, status)
        let sent = lines(of: output.readable, rendered)
        var fields = sent.dropFirst().map { field($0, kind) }
        if kind == .ordinary || kind == .signOut, !rendered.hasCredential, ![.none, .unused].contains(status.state) {
            fields.append(tokenField)
        }
        let kept = Set(sent.dropFirst().map { $0.text.prefix { $0 != ":" }.lowercased() })
        for field in head.fields where !kept.contains(input.text(field.name).lowercased()) {
            fields.append(removed(field, kind))
        }
        return .allowed(
            Explanation.Forwarding(
                route: Explanation.Route(kind: kind, because: because, source: match?.pattern.flatMap(key)),
                upstream: configuration.upstreamURL,
                cookies: cookies,
                token: token,
                requestLine: sent.first?.text ?? "",
                fields: fields
            )
        )
    }

    /// The key that lists the pattern.
    private func key(_ pattern: RoutePattern) -> String? {
        let session = configuration.session
        if session.signIn.contains(pattern) { return "session.sign-in" }
        if session.signOut.contains(pattern) { return "session.sign-out" }
        if session.anonymous.contains(pattern) { return "session.anonymous" }
        return session.refresh == nil ? nil : "session.refresh"
    }

    // MARK: Fields

    /// A line of the head that is sent, and whose it is, by where it lies.
    private struct Line {
        enum Owner { case client, squire, configuration }

        var text: String
        var owner: Owner
    }

    private func lines(of head: UnsafeRawBufferPointer, _ rendered: HeaderPolicy.Rendered) -> [Line] {
        var lines: [Line] = []
        for line in head.split(separator: UInt8(ascii: "\n")) {
            // Behind the request line comes `Host`.
            let isFirst = lines.count < 2
            let owner: Line.Owner =
                isFirst
                ? .squire
                : line.startIndex < rendered.madeOffset
                    ? .client
                    : line.startIndex < rendered.rulesOffset ? .squire : .configuration
            lines.append(Line(text: String(decoding: line.dropLast(), as: UTF8.self), owner: owner))
        }
        return lines
    }

    private func field(_ line: Line, _ kind: RouteKind) -> Explanation.Field {
        let name = String(line.text.prefix { $0 != ":" })
        let lowercase = name.lowercased()
        let value = String(line.text.dropFirst(name.count + 1).drop { $0 == " " })
        let rule = configuration.headers.first { $0.name.lowercased() == lowercase }
        let isSecret = rule?.isSecret ?? configuration.session.isSecret(field: name)
        var result = Explanation.Field(name: name, value: value, what: .kept, why: nil, source: nil)
        switch line.owner {
        case .client: if rule != nil { result.why = "the client's" }
        case .squire:
            result.what = .made
            result.why = whyMade(lowercase)
        case .configuration:
            result.what = given.contains(lowercase) ? .replaced : .set
            result.source = rule?.source
        }
        if isSecret { result.secret = (line.owner == .configuration ? rule?.shown : nil) ?? SecretField.mark }
        return result
    }

    /// Why Squire generates the field.
    private func whyMade(_ name: String) -> String {
        let id = FieldTable.id(of: name)
        guard let row = FieldTable.row(of: id) else { return "Squire's own" }
        switch id {
        case .acceptEncoding: return "the response is searched for a token"
        case .maxForwards: return "one hop less, \(row.source)"
        case .via: return "names this hop, \(row.source)"
        default:
            return row.traits.contains(.hopByHop)
                ? "for this hop only, \(row.source)" : "made anew for each request, \(row.source)"
        }
    }

    private var tokenField: Explanation.Field {
        let apply = configuration.session.apply
        return Explanation.Field(
            name: apply.field,
            value: apply.shownValue,
            what: given.contains(apply.field.lowercased()) ? .replaced : .set,
            why: "the session's token",
            source: "session.apply" + (applySource.map { ": \($0)" } ?? ""),
            isToken: true
        )
    }

    private func removed(_ field: FieldLine, _ kind: RouteKind) -> Explanation.Field {
        let name = input.text(field.name)
        return Explanation.Field(
            name: name,
            value: input.text(field.value),
            what: .removed,
            why: reason(field, name, kind),
            source: nil,
            secret: configuration.session.isSecret(field: name) ? SecretField.mark : nil
        )
    }

    /// Why a field of the client is not forwarded.
    private func reason(_ field: FieldLine, _ name: String, _ kind: RouteKind) -> String {
        if field.isNominated { return "named in Connection: for this hop only" }
        if configuration.session.source != .unused, configuration.session.apply.isField(name) {
            return "authorization: \(configuration.authorization.rawValue)"
        }
        guard let row = FieldTable.row(of: field.id) else {
            return "another spelling of a header that Squire sets or decides on"
        }
        if row.traits.contains(.hopByHop) { return "for this hop only, \(row.source)" }
        switch row.id {
        case .squireKey: return "access.key is for Squire only"
        case .acceptEncoding where kind == .signIn: return "the response is searched for a token"
        default: return "made anew for each request, \(row.source)"
        }
    }

    // MARK: Answers and tokens

    private var cookies: String {
        guard configuration.cookies == .local else { return "as the upstream sets them (cookies: keep)" }
        let isLocal = configuration.listen.contains { address in
            if case .tcp = address { address.isLocal } else { false }
        }
        guard isLocal else { return "as the upstream sets them: no listener is on loopback" }
        return "of \(configuration.upstream.authority.host): without Domain and Secure, for clients at a loopback name "
            + "(cookies: local)"
    }

    private func token(
        _ kind: RouteKind,
        _ rendered: HeaderPolicy.Rendered,
        _ status: SessionStatus
    ) -> Explanation.Token {
        let make = { (action: Explanation.Token.Action, text: String) in
            let isOurs = action == .attach || action == .refreshFirst
            return Explanation.Token(
                action: action,
                generation: isOurs && status.generation != 0 ? status.generation : nil,
                expiresIn: isOurs ? status.expiresIn : nil,
                advice: isOurs || action == .refuse ? status.advice : nil,
                text: text
            )
        }
        switch kind {
        case .signIn, .anonymous:
            let text = "never sent on this path"
            return make(rendered.hasCredential ? .client : .none, text)
        case .refresh:
            guard ![.none, .loginNeeded].contains(status.state) else {
                return make(.refuse, "nothing to refresh: answered 401 login_needed without contacting the API")
            }
            return make(
                .refreshFirst,
                "one refresh for everyone who waits for it; the upstream's own answer is returned"
            )
        case .ordinary, .signOut: break
        }
        if rendered.hasCredential {
            return make(.client, "the client's own \(configuration.session.apply.field) is sent (authorization: fill)")
        }
        if kind == .signOut, let place = status.sharedElsewhere {
            return make(.refuse, "answered 503 session_unavailable: \(Problem.sharedElsewhere(place).detail)")
        }
        switch status.state {
        case .none where configuration.session.missing == .forward,
            .loginNeeded where configuration.session.missing == .forward:
            return make(.none, "none; sent without (session.missing: forward)")
        case .none: return make(.refuse, "none: answered 401 login_needed without contacting the API")
        case .loginNeeded:
            let text = status.advice ?? "can no longer be refreshed. Run: \(status.login)"
            return make(.refuse, text)
        case .unused: return make(.none, "none is needed (session: none)")
        case .starting: return make(.refreshFirst, "asked for first: \(status.advice ?? "there is none yet")")
        case .usable, .refreshing:
            guard let seconds = status.expiresIn else { return make(.attach, "of unknown life") }
            return seconds > 0
                ? make(.attach, "good for \(seconds) s") : make(.refreshFirst, "expired: refreshed first")
        }
    }
}

extension ByteBuffer {
    fileprivate func text(_ range: ByteRange) -> String { String(decoding: readable[range.range], as: UTF8.self) }
}
