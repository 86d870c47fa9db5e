import HTTP1
import TokenSources
import Upstream

/// In bytes.
private let longestSecret = 1024

extension ProxyConfiguration {
    /// The names, in lower case, of the configured headers with secret values.
    public var secretFields: Set<String> {
        Set(headers.filter(\.isSecret).map { $0.name.lowercased() })
    }

    /// The values of all secrets in it, as far as they are known: no log and no page shows them.
    public var secrets: [[UInt8]] {
        var texts: [String] = []
        for rule in headers + (session.refresh?.headers ?? []) where rule.isSecret {
            texts.append(rule.value)
            // The part after a scheme.
            if let blank = rule.value.lastIndex(of: " ") { texts.append(String(rule.value[blank...].dropFirst())) }
        }
        if case .exec(let exec) = session.source { texts += exec.variables.compactMap(\.value.secret) }
        texts += proxy.secrets
        if case .oauth(let oauth) = session.source {
            texts += oauth.readSecrets.map(\.text)
            texts += oauth.proxy?.secrets ?? []
        }
        // A whole private key never occurs within another text.
        return [access.key].compactMap(\.self) + texts.filter { $0.utf8.count <= longestSecret }.map { Array($0.utf8) }
    }
}

extension SecretValue {
    /// The text, unless it was written in a place that is shown anyway.
    fileprivate var secret: String? {
        if case .plain = reference { nil } else { text }
    }
}

extension UpstreamSettings.Proxy {
    /// The part before the host (RFC 3986 section 3.2.1): the password, and all of it.
    fileprivate var secrets: [String] {
        guard case .url(let url) = self, let at = url.lastIndex(of: "@") else { return [] }
        let start = url[..<at].lastIndex(of: "/").map { url.index(after: $0) } ?? url.startIndex
        let user = url[start..<at]
        let password = user.firstIndex(of: ":").map { user[$0...].dropFirst() } ?? user
        return [String(user), String(password)]
    }
}
