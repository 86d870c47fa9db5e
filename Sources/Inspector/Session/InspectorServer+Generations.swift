import LocalServer
import ReverseProxy

/// The tokens that came one after the other.
extension InspectorServer {
    func generations(_ responder: LocalResponder) {
        responder.send(InspectorResponse.json(200, book.json(proxy.generationCounts())))
    }
}
