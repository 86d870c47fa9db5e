import HTTP1
import ReverseProxy
import Support
import Upstream

/// The line about the API: what its response to a request without a token shows. Pure.
struct ResponseDiagnosis {
    let upstream: Origin
    let request: String
    /// In seconds since 1970.
    let now: Int
    let speaksTLS: Bool

    func line(_ response: BlockingRequest.Response) -> CheckLine {
        // nginx and others answer plain HTTP on a TLS port with 400, in order to say so.
        if speaksTLS, response.status == 400 { return .fail("API", Self.speaksTLS(upstream)) }
        let status = response.status
        let answers = "answers (status \(status) to \(request))"
        switch status {
        case 300...399: return redirect(response)
        case 403:
            return .warn(
                "API",
                "\(answers): it is there, and does not let this machine in: does it want a header (headers:), a client "
                    + "certificate (tls:) or another network?"
            )
        case 407:
            return .warn(
                "API",
                "\(answers): a proxy stands before it. Name that with proxy:, and its user and password"
            )
        case 429:
            return .warn("API", "\(answers): it gets too many requests. \(wait(response, "Wait")), then try again")
        case 502, 504:
            return .warn(
                "API",
                "answers with status \(status): a gateway is there, and does not reach the API. "
                    + "\(wait(response, "Wait")), then ask its operator"
            )
        case 500...:
            return .warn(
                "API",
                "answers with status \(status): it is there, but not well. \(wait(response, "Wait")), then try again"
            )
        default: return .ok("API", answers)
        }
    }

    static func speaksTLS(_ upstream: Origin) -> String {
        "\(upstream.authority.host) port \(upstream.port) speaks TLS: write upstream: \(upstream.otherScheme)"
    }

    private func wait(_ response: BlockingRequest.Response, _ word: String) -> String {
        let seconds = response["Retry-After"].flatMap { RetryAfter.seconds($0, date: response["Date"], wall: now) }
        return seconds.map { "\(word) \($0) s, as it asks" } ?? "\(word) a little"
    }

    // MARK: Redirects

    /// Names only the origin of the target, because the rest may contain anything.
    private func redirect(_ response: BlockingRequest.Response) -> CheckLine {
        let answers = "answers (status \(response.status) to \(request))"
        guard let location = response["Location"], !location.isEmpty else { return .ok("API", answers) }
        switch Self.target(of: location, from: upstream) {
        case .same: return .ok("API", "answers (status \(response.status) to \(request), to another path of its own)")
        case .other(let origin):
            return .warn(
                "API",
                "redirects to \(origin) (status \(response.status) to \(request)): if the API is there, write upstream: "
                    + origin
            )
        case .unknown:
            return .warn("API", "redirects (status \(response.status) to \(request)) to what is no http address")
        }
    }

    enum Target: Equatable {
        case same, unknown
        case other(String)
    }

    /// Resolves a reference by RFC 3986 section 5.2, as far as the origin is concerned.
    static func target(of location: String, from upstream: Origin) -> Target {
        var rest = Substring(location)
        let isSecure: Bool
        let lowercase = location.prefix(8).lowercased()
        if lowercase.hasPrefix("https://") {
            (isSecure, rest) = (true, rest.dropFirst(8))
        } else if lowercase.hasPrefix("http://") {
            (isSecure, rest) = (false, rest.dropFirst(7))
        } else if location.hasPrefix("//") {
            (isSecure, rest) = (upstream.isSecure, rest.dropFirst(2))
        } else {
            // Another scheme, or a reference to a path.
            let first = location.prefix { !"/?#".contains($0) }
            return first.contains(":") ? .unknown : .same
        }
        let authority = rest.prefix { !"/?#\\".contains($0) }
        guard authority.utf8.count <= 300, Authority.isHostField(String(authority)),
            let parsed = Authority(String(authority))
        else { return .unknown }
        let origin = Origin(isSecure: isSecure, authority: parsed)
        let isSame =
            origin.isSecure == upstream.isSecure && origin.port == upstream.port
            && origin.authority.host == upstream.authority.host
        return isSame ? .same : .other(origin.description)
    }
}

extension Origin {
    /// The same port with the other scheme.
    var otherScheme: Origin {
        Origin(isSecure: !isSecure, authority: Authority(host: authority.host, port: port))
    }
}
