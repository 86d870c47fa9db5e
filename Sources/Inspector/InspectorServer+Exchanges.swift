import LocalServer
import ReverseProxy

/// The list of exchanges, one of them, their bodies.
extension InspectorServer {
    func exchanges(_ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }

    func exchange(_ id: String, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }

    /// The client's body, or the response's of that attempt.
    func body(_ id: String, attempt: Int?, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }

    func preview(_ id: String, attempt: Int, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }

    func pin(_ id: String, _ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }

    func record(_ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }

    func clear(_ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }
}
