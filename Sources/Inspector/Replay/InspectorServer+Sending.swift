import HTTP1

/// The set of requests that the inspector sends itself.
extension InspectorServer {
    /// The maximum number of requests in progress.
    public static let maximumSending = 16

    /// The Host that a client would use for the proxy.
    static func host(of listen: [String]) -> String {
        for case let url in listen where url.hasPrefix("http://") {
            guard let name = Authority(String(url.dropFirst(7))), let port = name.port else { continue }
            return name.isLoopbackAddress ? String(url.dropFirst(7)) : "localhost:\(port)"
        }
        return "localhost"
    }

    /// The proxy is about to end: sends nothing more, and streams do not delay it.
    public func drain() {
        guard case .open(let server) = life else { return }
        life = .draining(server)
        for sending in sendings.values { sending.client.hurry() }
    }

    /// Ends all requests in progress.
    func stopSending() {
        for sending in sendings.values { sending.stop() }
        sendings = [:]
        retired = nil
    }
}
