import LocalServer
import ReverseProxy

/// Exchanges as HAR 1.2.
extension InspectorServer {
    /// One exchange, or nil for all that the query asks for.
    func archive(_ id: String?, _ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notYet))
    }
}
