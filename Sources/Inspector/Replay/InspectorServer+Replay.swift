import LocalServer
import ReverseProxy

/// Requests that the inspector sends itself, through the proxy's own rules.
extension InspectorServer {
    /// Sends a recorded exchange again, or, without one, what a person wrote.
    func send(again id: String?, _ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }
}
