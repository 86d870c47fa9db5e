import Support
public import Upstream

extension BlockingRequest.Failure {
    /// A successful response that was cut behind a JSON object or array: what that says is whole. Nil if there is none.
    public var wholeResponse: BlockingRequest.Response? {
        guard case .noResponse(_, let cut?) = self, JSONValue(lenient: cut.body) != nil else { return nil }
        return cut
    }
}
