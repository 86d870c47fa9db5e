public import Upstream

/// Which Secret keeps the shared value, and how its API server is reached.
public struct KubernetesOptions: Sendable {
    /// `https://host:port` of the API server, without a path.
    public var server: String
    public var namespace: String
    /// The Secret's name.
    public var secret: String
    /// The file of the bearer token. It is read for each request: whoever put it there replaces it before it expires.
    /// Nil where a client certificate says who we are, or something on loopback says it for us.
    public var tokenFile: String?
    /// PEM files: authorities instead of the system's; the client certificate and its key.
    public var authorities: String?
    public var certificate: String?
    public var privateKey: String?
    public var proxy = UpstreamSettings.Proxy.none
    /// How long one request may take.
    public var patience = Duration.seconds(2)
    /// How often the value is read besides the watch, give or take half of it.
    public var readInterval = Duration.seconds(10)

    public init(server: String, namespace: String, secret: String, tokenFile: String? = nil) {
        self.server = server
        self.namespace = namespace
        self.secret = secret
        self.tokenFile = tokenFile
    }

    /// Whether a Secret can have that name: a DNS subdomain name (RFC 1123), in lower case.
    public static func isSecretName(_ text: String) -> Bool {
        text.utf8.count <= 253 && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isLabel)
    }

    /// Whether a namespace can have that name: a DNS label name (RFC 1123), in lower case.
    public static func isNamespaceName(_ text: String) -> Bool {
        text.utf8.count <= 63 && isLabel(text)
    }

    private static func isLabel(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && !text.hasPrefix("-") && !text.hasSuffix("-")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x61...0x7A, 0x2D: true
                default: false
                }
            }
    }
}

/// What happens between the store and the API server that people may want to know of.
public enum KubernetesNotice: Equatable, Sendable {
    /// The Secret is another one than before, by the server's numbers: somebody deleted it and made it anew, or the
    /// server is another one.
    case secretReplaced(from: String, to: String)
    /// The watch was refused or broke; the value is read instead until it is open again.
    case watchEnded(SharedStoreFailure)
}
