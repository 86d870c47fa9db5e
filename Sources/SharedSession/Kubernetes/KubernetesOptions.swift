public import Upstream

/// The Secret that keeps the shared value, and how to reach its API server.
public struct KubernetesOptions: Sendable {
    /// `https://host:port` of the API server, without a path.
    public var server: String
    public var namespace: String
    /// The name of the Secret.
    public var secret: String
    /// The path of a file with the bearer token. It is read for each request, because its writer replaces it before it
    /// expires. Nil if a client certificate authenticates, or a proxy on loopback does.
    public var tokenFile: String?
    /// Paths of PEM files: authorities to trust instead of the system's, and the client certificate with its key.
    public var authorities: String?
    public var certificate: String?
    public var privateKey: String?
    public var proxy = UpstreamSettings.Proxy.none
    /// The time limit of one request.
    public var requestTimeout = Duration.seconds(2)
    /// The interval of the reads beside the watch, randomized by half of it in both directions.
    public var readInterval = Duration.seconds(10)

    public init(server: String, namespace: String, secret: String, tokenFile: String? = nil) {
        self.server = server
        self.namespace = namespace
        self.secret = secret
        self.tokenFile = tokenFile
    }

    /// Whether `text` is a valid name of a Secret: a DNS subdomain (RFC 1123) in lower case.
    public static func isSecretName(_ text: String) -> Bool {
        text.utf8.count <= 253 && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isLabel)
    }

    /// Whether `text` is a valid name of a namespace: a DNS label (RFC 1123) in lower case.
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

/// Events in the store that people may want to know about.
public enum KubernetesNotice: Equatable, Sendable {
    /// The Secret has another `uid` than before: somebody deleted and recreated it, or the server is another one.
    case secretReplaced(from: String, to: String)
    /// The watch ended, or was refused. Until it is open again, the value is read at intervals.
    case watchEnded(SharedStoreFailure)
}
