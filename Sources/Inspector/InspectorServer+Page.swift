import InspectorPage
import LocalServer
import ReverseProxy
import Support

/// The page's files, which are in the program.
extension InspectorServer {
    func page(_ name: String, _ request: LocalRequest, _ responder: LocalResponder) {
        responder.send(InspectorResponse.problem(.notFound))
    }
}
