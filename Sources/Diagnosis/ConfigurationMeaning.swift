import Credentials
import EventIO
public import ReverseProxy
import Settings
import TokenSources
import Upstream

/// Explains a configuration to its author, in lines. Pure. Never shows a value that may be secret: it shows headers by
/// name, and a proxy without its user.
public struct ConfigurationMeaning: Sendable {
    private let configuration: ProxyConfiguration

    public init(_ configuration: ProxyConfiguration) {
        self.configuration = configuration
    }

    public var lines: [CheckLine] {
        var lines: [CheckLine] = [
            .note("upstream", configuration.upstreamURL),
            .note("listen", configuration.listen.map(\.description).joined(separator: ", ")),
            .note("inspector", inspector),
            .note("headers", headers), .note("source", source),
        ]
        lines += withheld + [.note("apply", apply)]
        if configuration.cookies == .keep {
            lines.append(.note("cookies", "keep: as the upstream sets them, for its own name and TLS"))
        }
        if let probe = configuration.session.probe {
            lines.append(.note("probe", SessionDiagnosis.text(probe)))
        }
        lines += shared
        lines += routes
        switch configuration.proxy {
        case .none: break
        case .environment: lines.append(.note("proxy", "as the environment says (https_proxy, no_proxy, …)"))
        case .url: lines.append(.note("proxy", configuration.proxy.name ?? ""))
        }
        for (name, path) in [
            ("tls.ca", configuration.tls.authorities), ("tls.certificate", configuration.tls.certificate),
            ("tls.key", configuration.tls.key),
        ] {
            if let path { lines.append(.note(name, path)) }
        }
        lines += access
        return lines
    }

    private var inspector: String {
        let (settings, usual) = (configuration.inspector, InspectorSettings())
        guard let address = settings.listen else { return "off" }
        var words = [address.description]
        if settings.keep != usual.keep { words.append("keeps \(Quantity.text(bytes: settings.keep))") }
        if settings.body != usual.body { words.append("\(Quantity.text(bytes: settings.body)) of each body") }
        switch settings.record {
        case .auto: break
        case .all: words.append("records all")
        case .failures: words.append("records what goes wrong")
        case .off: words.append("records nothing")
        }
        return words.joined(separator: ", ")
    }

    /// The names, and where each is set.
    private var headers: String {
        guard !configuration.headers.isEmpty else { return "none" }
        return configuration.headers.map { rule in
            let overwrites = rule.overwrite ? "over the client's, " : ""
            let name = rule.secret.map { "\(rule.name) \($0.shown)" } ?? rule.name
            return rule.source.isEmpty ? name : "\(name) (\(overwrites)\(rule.source))"
        }.joined(separator: ", ")
    }

    private var source: String {
        switch configuration.session.source {
        case .recipe(let refresh):
            let server = refresh.origin.map(\.description) ?? ""
            let path = refresh.path.prefix { $0 != "?" }
            return "recipe, \(refresh.method) \(server)\(path), the token at \(refresh.token)"
        case .oauth(let oauth):
            return oauth.summary
        // Only the command's name, because its arguments may be secret.
        case .exec(let exec):
            return "exec \(exec.name)\(exec.command.count > 1 ? " …" : ""), format \(exec.format.rawValue), "
                + "at most \(Quantity.text(exec.timeout))"
        case .tokenFile(let file):
            return "token-file \(file.path)\(file.token.map { ", the token at \($0)" } ?? "")"
        case .unused:
            return "none: only headers are added (session: none)"
        case .given:
            return "none: a token that is refused or over needs another login (session.refresh); "
                + "for an API that wants no token: session: none"
        }
    }

    /// What the server of `session.refresh.url` does not get.
    private var withheld: [CheckLine] {
        let names = configuration.headersWithheldFromRefresh.map(\.name)
        guard !names.isEmpty, let origin = configuration.session.refresh?.origin else { return [] }
        return [
            .note(
                "",
                "\(origin) gets no \(names.joined(separator: ", ")): what is secret is for the upstream, unless "
                    + "session.refresh.headers names it"
            )
        ]
    }

    private var apply: String {
        let apply = configuration.session.apply
        return switch (configuration.session.source, configuration.authorization) {
        case (.unused, _): "nothing (session: none): a client's own Authorization goes along"
        case (_, .replace): "\(apply.field): \(apply.shownValue), instead of the client's"
        case (_, .fill): "\(apply.field): \(apply.shownValue), where the client sends none"
        }
    }

    private var shared: [CheckLine] {
        guard let shared = configuration.session.shared else { return [] }
        let place: String
        switch shared.engine {
        case .etcd(let etcd):
            let members = etcd.endpoints.map(\.description).joined(separator: ", ")
            let user = etcd.user.map { ", as \($0.name) with \($0.password.reference.shown)" } ?? ""
            place = "as \(shared.place) in etcd at \(members)\(user)"
        case .kubernetes(let kubernetes):
            let token = kubernetes.tokenFile.map { ", with the token in \($0)" } ?? ""
            place = "in the Secret \(shared.place) of the cluster at \(kubernetes.server)\(token)"
        }
        let caveat = SharedStatus.caveat(of: shared.engine.name).map { [CheckLine.note("shared", $0)] } ?? []
        return [
            .note("shared", "\(shared.name), \(place)"),
            .note("shared", "another machine takes over a refresh after \(Quantity.text(shared.takeover)) of silence"),
        ] + caveat
    }

    private var routes: [CheckLine] {
        let session = configuration.session
        var lines: [CheckLine] = []
        for (name, patterns) in [
            ("sign-in", session.signIn), ("sign-out", session.signOut), ("anonymous", session.anonymous),
        ] where !patterns.isEmpty {
            lines.append(.note(name, patterns.map(\.description).joined(separator: ", ")))
        }
        if !session.signIn.isEmpty {
            lines.append(
                session.learnsTokens
                    ? .note("", "the token is taken from \(tokenPlaces) of the answer")
                    : .warn(
                        "sign-in",
                        "the answers are not looked into: tokens come from the session's source, not from clients; "
                            + "the login is a command: squire login --help"
                    )
            )
        }
        if case .oauth(let oauth) = session.source, let word = oauth.missingScope {
            let end = "without it a login gives no refresh token, and ends with its first token"
            lines.append(.warn("scope", "has no \(word): \(end). See session.oauth.scope"))
        }
        if session.missing == .forward { lines.append(.note("missing", "forward: without a token, requests go bare")) }
        return lines
    }

    /// Where the answer to a sign-in is looked into.
    private var tokenPlaces: String {
        let places = TokenFinder(configuration.session.refresh).places
        return places.count > 4 ? places.prefix(4).joined(separator: ", ") + ", …, the first there is," : places[0]
    }

    private var access: [CheckLine] {
        let access = configuration.access
        var rules: [String] = []
        if access.key != nil { rules.append("with X-Squire-Key") }
        if !access.sameUser { rules.append("from other users of this machine, too") }
        if access.allowRemote { rules.append("from other machines, too") }
        if !access.hosts.isEmpty { rules.append("as \(access.hosts.joined(separator: ", "))") }
        if !access.origins.isEmpty { rules.append("from pages of \(access.origins.joined(separator: ", "))") }
        return rules.isEmpty ? [] : [.note("access", rules.joined(separator: "; "))]
    }
}
