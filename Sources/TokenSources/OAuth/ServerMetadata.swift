import HTTP1
import Support

/// An authorization server's metadata (RFC 8414 section 2). Pure.
struct ServerMetadata: Equatable, Sendable {
    let issuer: String
    private let json: JSONValue

    /// Nil if `body` is not a JSON object with an issuer.
    init?(_ body: [UInt8]) {
        guard let json = JSONValue(parsing: body), case .object = json, let issuer = json["issuer"]?.string else {
            return nil
        }
        self.issuer = issuer
        self.json = json
    }

    enum Endpoint: String, Sendable {
        case token = "token_endpoint"
        case authorization = "authorization_endpoint"
        case device = "device_authorization_endpoint"
        case revocation = "revocation_endpoint"
    }

    /// Nil if the server has no such endpoint. `isMutual` is true for connections with a client certificate, which may
    /// have other endpoints (RFC 8705 section 5).
    func endpoint(_ endpoint: Endpoint, isMutual: Bool) throws(EndpointFailure) -> EndpointURL? {
        let alias = isMutual ? json["mtls_endpoint_aliases"]?[endpoint.rawValue]?.string : nil
        guard let text = alias ?? json[endpoint.rawValue]?.string else { return nil }
        do throws(EndpointURL.Problem) {
            return try EndpointURL(text)
        } catch {
            let shown = QuotedText.quoted(text, hiding: [])
            throw .misconfigured("the metadata of \(issuer) name \(endpoint.rawValue) \"\(shown)\", which \(error)")
        }
    }

    /// `token_endpoint_auth_methods_supported`; nil if absent.
    var authenticationMethods: [String]? {
        guard case .array(let elements)? = json["token_endpoint_auth_methods_supported"] else { return nil }
        return elements.compactMap(\.string)
    }

    /// The server names itself in authorization responses (RFC 9207 section 3).
    var namesIssuer: Bool { json["authorization_response_iss_parameter_supported"]?.bool ?? false }

    /// The URLs at which the metadata of `issuer` may be: the well-known path before the issuer's path (RFC 8414
    /// section 3.1), after it, as on some servers, and OpenID Connect's.
    static func places(of issuer: EndpointURL) -> [String] {
        var path = issuer.path
        while path.hasSuffix("/") { path.removeLast() }
        let name = "/.well-known/oauth-authorization-server"
        var places = [issuer.origin + name + path]
        if !path.isEmpty { places.append(issuer.origin + path + name) }
        return places + [issuer.origin + path + "/.well-known/openid-configuration"]
    }
}
