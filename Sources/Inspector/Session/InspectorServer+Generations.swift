import LocalServer
import ReverseProxy

/// Serves the history of the tokens.
extension InspectorServer {
    func generations(_ responder: LocalResponder) {
        responder.send(InspectorResponse.json(200, book.json(proxy.generationCounts())))
    }
}
