import Support
public import Upstream

extension BlockingRequest.Response {
    /// The body has a JSON object or array that ends: what it says is whole, even if the response was cut behind it.
    public var hasWholeJSON: Bool { JSONValue(lenient: body) != nil }
}
