import Credentials
import EventIO
import Platform
import ReverseProxy
import Support

/// The parts of `/api/status` besides the session. Contains no secrets.
extension InspectorServer {
    /// The state of the store.
    func recordingStatus() -> JSONValue {
        .object([
            .init("keep", .integer(store.keep)), .init("body", .integer(proxy.recordings.bodyLimit)),
            .init("record", .string(recordMode)), .init("key", .bool(access.needsKey)),
        ])
    }

    /// How long before its expiry a token is refreshed, in seconds; null if it cannot be refreshed.
    func margin(_ current: InspectedProxy.Current) -> JSONValue {
        guard current.refreshTimeout != nil, let margin = current.settings?.session.margin else { return .null }
        return .integer(Int(clamping: margin.components.seconds))
    }

    /// `METHOD PATH` of a sign-in, if the configuration names one; the default method is POST.
    private func signIn(_ current: InspectedProxy.Current) -> String? {
        let pattern = current.settings?.session.signIn.lazy.map(\.description).first { !$0.contains("*") }
        return pattern.map { $0.contains(" ") ? $0 : "POST \($0)" }
    }

    /// The data for a command line that repeats a request.
    func copyStatus(_ current: InspectedProxy.Current) -> JSONValue {
        let access = current.settings?.access
        let socket = proxy.listen.lazy.compactMap(UnixSpelling.path).first
        let isReachedByTCP = proxy.listen.contains { $0.hasPrefix("http://") }
        return .object([
            .init("proxy", .optional(isReachedByTCP ? "http://\(Self.host(of: proxy.listen))" : nil)),
            .init("socket", .optional(socket)), .init("upstream", .string(current.upstream)),
            .init("config", .optional(current.configuration)),
            .init("key_file", .optional(access?.key == nil ? nil : access?.keyFile)),
            .init("examples", .array(proxy.examples.map(JSONValue.string))),
            .init("token_command", .optional(current.tokenCommand)), .init("sign_in", .optional(signIn(current))),
            .init("apply", apply(current)), .init("way", way(current)),
        ])
    }

    /// How the upstream is reached: the files that secure the connection, and the proxy, without its credentials.
    private func way(_ current: InspectedProxy.Current) -> JSONValue {
        guard let settings = current.settings else { return .null }
        return .object([
            .init("ca", .optional(settings.tls.authorities)), .init("certificate", .optional(settings.tls.certificate)),
            .init("key", .optional(settings.tls.key)), .init("proxy", .optional(settings.plainProxy?.url)),
            .init("proxy_login", .bool(settings.plainProxy?.hasLogin == true)),
        ])
    }

    /// How a request carries the session's token: the field, and the text around the token; null without a session.
    private func apply(_ current: InspectedProxy.Current) -> JSONValue {
        guard current.settings?.session.source != .unused else { return .null }
        let credential = current.secrecy.present.credential
        return .object([
            .init("field", .string(credential.field)), .init("prefix", .string(credential.prefix)),
            .init("suffix", .string(credential.suffix)),
        ])
    }
}
