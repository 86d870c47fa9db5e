import ArgumentParser
import Credentials
import EventIO
import HTTP1
import ReverseProxy
import Settings

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Print what would be sent for a request, without contacting anything.",
        discussion: """
            Takes the options of squire run, too: what would be sent with them. Exits with 1 when Squire itself would \
            refuse the request.

              squire explain GET /api/venues
              squire explain POST /api/orders -H 'Authorization: Bearer mine'
            """
    )

    @OptionGroup var config: ConfigFileOption

    @OptionGroup var options: ProxyOptions

    @Argument(help: "GET, POST, …") var method: String
    @Argument(help: "The path and query, as a client would send them.") var target: String

    @Option(
        name: [.customShort("H", allowingJoined: true), .customLong("request-header")],
        parsing: .singleValue,
        help: ArgumentHelp("A header the client sends; repeatable.", valueName: "'Name: value'")
    )
    var requestHeader: [String] = []

    func run() throws {
        let loaded = try Loading.load(config.path, options.overrides, .look)
        let configuration = loaded.configuration
        var text = "\(method) \(target) HTTP/1.1\r\n"
        if !requestHeader.contains(where: { $0.lowercased().hasPrefix("host:") }) { text += "Host: localhost\r\n" }
        for header in requestHeader { text += header + "\r\n" }
        let input = ByteBuffer(capacity: 4096)
        input.append(text + "\r\n")
        var parser = RequestParser(
            limits: HeadLimits(head: configuration.limits.head, fields: configuration.limits.fields)
        )
        var head = RequestHead()
        switch parser.parse(input.octets.span, into: &head) {
        case .failed(let error): throw refuse(Problem(error))
        case .incomplete: throw ExitFailure.malformed("squire: that is not a request")
        case .complete: break
        }
        let access = AccessPolicy(
            configuration.access,
            upstream: configuration.upstream,
            ownHosts: [],
            ownPorts: configuration.listen.compactMap { if case .tcp(_, let port) = $0 { port } else { nil } }
        )
        var admission = Admission(head, input.readable, access)
        if let basePath = BasePath(configuration.basePath) {
            admission.locate(head, input.readable, under: basePath, access)
        }
        switch admission.decision {
        case .refuse(let problem): throw refuse(problem)
        case .preflight:
            return Output.line("access      answered by Squire: the origin is one of access.origins, and may send this")
        case .forward: break
        }
        Output.line("access      allowed")
        try printRequest(loaded, head, admission.place, input)
    }

    /// Says so, and gives the end of the process.
    private func refuse(_ problem: Problem) -> ExitCode {
        Output.line("access      refused: \(problem.status) \(problem.code.rawValue): \(problem.detail)")
        if problem.status == 400, let hint = missingSlash {
            Output.line("            a leading / is missing: squire explain \(method) \(hint)")
        }
        return ExitCode(1)
    }

    /// The target with a slash before it, when it is neither a path nor a URL, and would be a path so.
    private var missingSlash: String? {
        guard !target.isEmpty, !target.hasPrefix("/"), !target.contains("://"), target != "*",
            target.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        return CommandLines.quoted("/" + target)
    }

    private func printRequest(
        _ loaded: LoadedConfiguration,
        _ head: RequestHead,
        _ place: TargetPlace,
        _ input: ByteBuffer
    ) throws {
        let configuration = loaded.configuration
        let bytes = input.readable
        let match = RoutePolicy(configuration.session).match(
            method: UnsafeRawBufferPointer(rebasing: bytes[head.methodRange.range]),
            path: UnsafeRawBufferPointer(rebasing: bytes[place.path(of: head).range])
        )
        let kind = match?.kind ?? .ordinary
        let because = match.map { match in
            match.pattern.map { ", because of \"\($0)\"" } ?? ", because the path can be read in too many ways"
        }
        Output.line("route       \(kind.rawValue)\(because ?? "")")
        Output.line("upstream    \(configuration.upstreamURL)")
        Output.line("cookies     \(Self.cookies(configuration))")

        let output = ByteBuffer(capacity: 4096)
        var identifiers = IdentifierGenerator()
        let rendered = HeaderPolicy(configuration).render(
            head,
            bytes,
            route: kind,
            place: place,
            keepsExpectation: false,
            identifiers: &identifiers,
            into: output
        )
        let status = try SessionAccess(loaded, .look).cache.status
        Output.line("token       \(Self.token(kind, rendered, status, configuration))")
        Output.line("")
        let sent = String(decoding: output.readable, as: UTF8.self).split(separator: "\r\n").map(String.init)
        let given = head.fields.map { input.text($0.name).lowercased() }
        for (index, line) in sent.enumerated() {
            let shown =
                index == 0 ? line : Self.shown(line, given, configuration) + Self.origin(of: line, given, configuration)
            Output.line("  \(shown)")
        }
        let apply = configuration.session.apply
        if kind == .ordinary || kind == .signOut, !rendered.hasCredential, ![.none, .unused].contains(status.state) {
            let source = loaded.applySource.map { ": \($0)" } ?? ""
            let line = "\(apply.field): \(apply.shownValue)"
            Output.line("  \(line)    (the session's token, session.apply\(source))")
        }
        let kept = sent.dropFirst().map { $0.prefix { $0 != ":" }.lowercased() }
        for field in head.fields where !kept.contains(input.text(field.name).lowercased()) {
            let name = input.text(field.name)
            Output.line("  removed: \(name)    (\(Self.reason(field, name, kind, configuration)))")
        }
    }

    /// What becomes of the cookies in the answer.
    private static func cookies(_ configuration: ProxyConfiguration) -> String {
        guard configuration.cookies == .local else { return "as the upstream sets them (cookies: keep)" }
        let isLocal = configuration.listen.contains { address in
            if case .tcp = address { address.isLocal } else { false }
        }
        guard isLocal else { return "as the upstream sets them: no listener is on loopback" }
        return "of \(configuration.upstream.authority.host): without Domain and Secure, for clients at a loopback name "
            + "(cookies: local)"
    }

    /// The field line, without the value of one that holds a secret; of a configured one it says where that is kept.
    private static func shown(_ line: String, _ given: [String], _ configuration: ProxyConfiguration) -> String {
        let name = String(line.prefix { $0 != ":" })
        let rule = configuration.headers.first { $0.name.lowercased() == name.lowercased() }
        guard rule?.isSecret ?? configuration.session.isSecret(field: name) else { return line }
        let isClients = given.contains(name.lowercased()) && rule?.overwrite != true
        return "\(name): \((isClients ? nil : rule?.shown) ?? SecretField.mark)"
    }

    private static func origin(of line: String, _ given: [String], _ configuration: ProxyConfiguration) -> String {
        let name = line.prefix { $0 != ":" }.lowercased()
        guard let rule = configuration.headers.first(where: { $0.name.lowercased() == name }) else { return "" }
        if given.contains(name) { return rule.overwrite ? "    (replaced: \(rule.source))" : "    (the client's)" }
        return "    (set: \(rule.source))"
    }

    /// Why a field of the client does not go along.
    private static func reason(
        _ field: FieldLine,
        _ name: String,
        _ kind: RouteKind,
        _ configuration: ProxyConfiguration
    ) -> String {
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

    private static func token(
        _ kind: RouteKind,
        _ rendered: HeaderPolicy.Rendered,
        _ status: SessionStatus,
        _ configuration: ProxyConfiguration
    ) -> String {
        switch kind {
        case .signIn, .anonymous: return "never sent on this path"
        case .refresh: return "one refresh for everyone who waits for it; the upstream's own answer is returned"
        case .ordinary, .signOut: break
        }
        if rendered.hasCredential {
            return "the client's own \(configuration.session.apply.field) is sent (authorization: fill)"
        }
        switch status.state {
        case .none:
            return configuration.session.missing == .forward
                ? "none; sent without (session.missing: forward)"
                : "none: answered 401 login_needed without contacting the API"
        case .loginNeeded: return status.advice ?? "can no longer be refreshed. Run: \(status.login)"
        case .unused: return "none is needed (session: none)"
        case .starting: return "asked for first: \(status.advice ?? "there is none yet")"
        case .usable, .refreshing:
            guard let seconds = status.expiresIn else { return "of unknown life" }
            return seconds > 0 ? "good for \(seconds) s" : "expired: refreshed first"
        }
    }
}

extension ByteBuffer {
    fileprivate func text(_ range: ByteRange) -> String { String(decoding: readable[range.range], as: UTF8.self) }
}
