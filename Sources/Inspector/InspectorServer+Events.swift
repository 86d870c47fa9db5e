import LocalServer
import ReverseProxy

/// The feed: server-sent events for those who look.
extension InspectorServer {
    func events(_ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }
}
