import LocalServer
import ReverseProxy

/// What would be sent for a request.
extension InspectorServer {
    func explain(_ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }
}
