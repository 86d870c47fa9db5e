import Support

/// The part of a token request that identifies or authenticates the client (RFC 6749 section 2.3).
struct ClientProof: Sendable {
    var fields: [(name: String, value: String)] = []
    var parameters: [(name: String, value: String)] = []
    /// The parts of it that must not be shown.
    var secrets: [String] = []

    static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// A public client, or one that a certificate authenticates (RFC 8705 section 2): only its identifier.
    init(name: String?) {
        if let name { parameters = [("client_id", name)] }
    }

    init(name: String, secret: String, form: OAuthConfiguration.SecretForm) {
        secrets = [secret]
        switch form {
        case .basic:
            basic("\(FormText.encoded(name)):\(FormText.encoded(secret))")
        case .basicRaw:
            basic("\(name):\(secret)")
        case .post:
            parameters = [("client_id", name), ("client_secret", secret)]
        }
    }

    private mutating func basic(_ credentials: String) {
        let encoded = Base64Text.encode(Array(credentials.utf8))
        fields = [("Authorization", "Basic \(encoded)")]
        secrets += [credentials, encoded]
    }

    /// RFC 7523 section 2.2.
    init(name: String, assertion: String) {
        secrets = [assertion]
        parameters = [
            ("client_id", name), ("client_assertion_type", Self.assertionType), ("client_assertion", assertion),
        ]
    }
}

/// base64 with padding (RFC 4648 section 4), which Basic uses (RFC 7617).
enum Base64Text {
    static func encode(_ bytes: [UInt8]) -> String {
        let text = Base64URL.encode(bytes).replacingAll("-", with: "+").replacingAll("_", with: "/")
        return text + String(repeating: "=", count: (3 - bytes.count % 3) % 3)
    }
}

extension OAuthConfiguration.SecretForm {
    /// The form to use if none is configured, by the methods that the server's metadata list (RFC 8414 section 2).
    init(of methods: [String]?) {
        guard let methods, !methods.contains("client_secret_basic"), methods.contains("client_secret_post") else {
            self = .basic
            return
        }
        self = .post
    }
}
