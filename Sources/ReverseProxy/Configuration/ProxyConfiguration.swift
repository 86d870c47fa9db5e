import EventIO
package import HTTP1
package import Upstream

/// Everything one proxy is told: immutable, checked by whoever makes it.
package struct ProxyConfiguration: Sendable, Equatable {
    package var upstream: Origin
    package var listen: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8080)]
    package var headers: [HeaderRule] = []
    package var authorization = AuthorizationRule.replace
    package var session = SessionConfiguration()
    package var tls = TLSConfiguration()
    package var proxy = UpstreamSettings.Proxy.none
    package var access = AccessConfiguration()
    package var limits = Limits()
    package var timeouts = Timeouts()
    /// Nil is off.
    package var inspector: ListenAddress? = .tcp(host: "127.0.0.1", port: 8081)
    /// Event loops; 0 means one for each core.
    package var workers = 1

    package init(upstream: Origin) {
        self.upstream = upstream
    }

    /// How libcurl is to connect.
    package var upstreamSettings: UpstreamSettings {
        UpstreamSettings(
            origin: upstream.description,
            connectTimeout: timeouts.connect,
            proxy: proxy,
            authorities: tls.authorities,
            certificate: tls.certificate,
            key: tls.key
        )
    }
}

/// Whose `Authorization` is sent.
package enum AuthorizationRule: String, Sendable, CaseIterable {
    /// The session's replaces the client's.
    case replace
    /// The client's wins.
    case fill
}

/// Scheme, host and port of the upstream.
package struct Origin: Sendable, Equatable, CustomStringConvertible {
    package var isSecure: Bool
    package var authority: Authority

    package init(isSecure: Bool, authority: Authority) {
        self.isSecure = isSecure
        self.authority = authority
    }

    package var port: Int { authority.port ?? (isSecure ? 443 : 80) }

    /// What the Host field says: without the scheme's own port.
    package var host: String {
        let name = authority.host.contains(":") ? "[\(authority.host)]" : authority.host
        guard let port = authority.port, port != (isSecure ? 443 : 80) else { return name }
        return "\(name):\(port)"
    }

    package var description: String { (isSecure ? "https://" : "http://") + host }
}

/// Where to accept connections.
package enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// `HOST:PORT` or `unix:PATH`.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty else { return nil }
            self = .unix(path: path)
            return
        }
        guard let authority = Authority(text), let port = authority.port else { return nil }
        self = .tcp(host: authority.host, port: port)
    }

    package var description: String {
        switch self {
        case .tcp(let host, let port): SocketAddress(host: host, port: port).description
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Only this machine can connect.
    package var isLocal: Bool {
        switch self {
        case .tcp(let host, _): Authority(host: host, port: nil).isLoopback
        case .unix: true
        }
    }
}

/// A configured request header.
package struct HeaderRule: Sendable, Equatable {
    package var name: String
    /// `{uuid}` stands for a fresh UUID in each request.
    package var value: String
    /// Wins over the client's.
    package var overwrite: Bool
    /// Where it was configured, for `squire explain`.
    package var source: String

    package init(name: String, value: String, overwrite: Bool = false, source: String = "") {
        self.name = name
        self.value = value
        self.overwrite = overwrite
        self.source = source
    }
}

package struct TLSConfiguration: Sendable, Equatable {
    package var authorities: String?
    package var certificate: String?
    package var key: String?

    package init() {}
}

package struct AccessConfiguration: Sendable, Equatable {
    package var hosts: [String] = []
    package var origins: [String] = []
    /// The secret that clients must send as `X-Squire-Key`.
    package var key: [UInt8]?
    package var sameUser = true
    package var allowRemote = false

    package init() {}
}

package struct Limits: Sendable, Equatable {
    package var head = 64 * 1024
    package var fields = 128
    /// Request bodies up to this are kept in memory to be sent again.
    package var replay = 1024 * 1024
    /// Beyond `replay`, up to this, in an unlinked temporary file.
    package var replayDisk = 64 * 1024 * 1024
    package var connections = 1024

    package init() {}

    var heads: HeadLimits { HeadLimits(head: head, fields: fields, target: max(head / 2, 1)) }
}

package struct Timeouts: Sendable, Equatable {
    package var head = Duration.seconds(10)
    package var idle = Duration.seconds(60)
    package var connect = Duration.seconds(10)
    package var firstByte = Duration.seconds(300)
    package var body = Duration.seconds(60)
    package var shutdown = Duration.seconds(10)

    package init() {}
}

package struct SessionConfiguration: Sendable, Equatable {
    /// What a request without a usable token gets.
    package enum Missing: String, Sendable, CaseIterable {
        case refuse, forward
    }

    /// How a token is refreshed: one request, and where its answer holds the new token.
    package struct Refresh: Sendable, Equatable {
        package var method: String
        /// Of the upstream; with `url`, of that.
        package var path: String
        /// Another server than the upstream, which the token then goes to as well.
        package var origin: Origin?
        /// Win over the configured headers. `{token}` stands for the current token. An empty value means "not at all", so that an empty
        /// Authorization keeps the bearer out.
        package var headers: [HeaderRule] = []
        /// `{token}` stands for the current token, percent-encoded when the headers say that this is a form.
        package var body: String?
        /// A JSON Pointer into the answer.
        package var token: String
        /// The same for how many seconds the token lives.
        package var expiresIn: String?
        /// The same for when it ends, seconds since 1970 by the issuer's clock.
        package var expiresAt: String?
        package var timeout: Duration

        package init(method: String, path: String, token: String, timeout: Duration = .seconds(30)) {
            self.method = method
            self.path = path
            self.token = token
            self.timeout = timeout
        }
    }

    /// What counts as "token rejected".
    package struct Rejection: Sendable, Equatable {
        package var status: Int
        /// The `error` that `WWW-Authenticate` must name (RFC 6750 section 3.1), such as `invalid_token`; nil for any or none.
        package var challenge: String?
        /// A JSON Pointer into the answer and the value it must have there; nil when the head alone says it.
        package var body: Body?

        package struct Body: Sendable, Equatable {
            package var pointer: String
            package var equals: String

            package init(pointer: String, equals: String) {
                self.pointer = pointer
                self.equals = equals
            }
        }

        package init(status: Int, challenge: String? = nil, body: Body? = nil) {
            self.status = status
            self.challenge = challenge
            self.body = body
        }
    }

    package var file: String?
    package var margin = Duration.seconds(30)
    package var refresh: Refresh?
    package var signIn: [RoutePattern] = []
    package var signOut: [RoutePattern] = []
    package var anonymous: [RoutePattern] = []
    package var missing = Missing.refuse
    package var rejected = [Rejection(status: 401)]

    package init() {}

    /// How long a request may wait for the session: a refresh that is tried twice, after another process's.
    var patience: Duration {
        guard let timeout = refresh?.timeout else { return .seconds(20) }
        return timeout + timeout + .seconds(20)
    }
}
