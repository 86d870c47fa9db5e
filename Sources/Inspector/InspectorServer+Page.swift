import LocalServer
import ReverseProxy

/// Serves the page's files, which are part of the executable.
extension InspectorServer {
    func page(_ name: String, _ request: LocalRequest, _ responder: LocalResponder) {
        guard let file = PageFile.named(name) else {
            return responder.send(InspectorResponse.problem(.notFound))
        }
        let isKnown = request.joined("If-None-Match").map(file.isMatched(by:)) ?? false
        responder.send(InspectorResponse.file(file, isKnown: isKnown))
    }
}
