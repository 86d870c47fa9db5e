import HTTP1

/// What the inspector sends itself, as a whole.
extension InspectorServer {
    /// How many requests may be on their way at a time.
    public static let maximumSending = 16

    /// What a client would call the proxy.
    static func host(of listen: [String]) -> String {
        for case let url in listen where url.hasPrefix("http://") {
            guard let name = Authority(String(url.dropFirst(7))), let port = name.port else { continue }
            return name.isLoopbackAddress ? String(url.dropFirst(7)) : "localhost:\(port)"
        }
        return "localhost"
    }

    /// The proxy is about to end: nothing is sent any more, and nothing that streams holds it up.
    public func drain() {
        guard case .open(let server) = life else { return }
        life = .draining(server)
        for sending in sendings.values { sending.client.hurry() }
    }

    /// Ends what is on its way.
    func stopSending() {
        for sending in sendings.values { sending.stop() }
        sendings = [:]
        retired = nil
    }
}
