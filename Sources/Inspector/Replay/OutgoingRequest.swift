import HTTP1
import ReverseProxy

/// A request that the inspector sends through the proxy, as a client of it. Pure.
struct OutgoingRequest: Equatable {
    var method: [UInt8]
    /// In origin form.
    var target: [UInt8]
    /// The fields, except those of the connection.
    var fields: [StoredField]
    var body: [UInt8]
    /// Content-Length is sent even if it is zero.
    var hasLength: Bool
    /// The client's Host; nil leaves it to the sender.
    var host: [UInt8]?

    /// Why a recorded exchange cannot be replayed unchanged.
    struct Refusal: Error, Equatable {
        enum Reason: String {
            case running, websocket, cut, redacted
            /// Squire refused it, but would admit it from the inspector.
            case refused
        }

        var reason: Reason
        /// What the caller must supply: `target`, `fields`, `body`, or redacted parts.
        var missing: [String] = []
    }

    /// A composed request. `Composition` has validated the target.
    init(_ composition: Composition, target: [UInt8]) {
        method = composition.method ?? Array("GET".utf8)
        self.target = target
        fields = composition.fields ?? []
        body = composition.body ?? []
        hasLength = composition.body != nil || Self.expectsBody(method)
    }

    /// The recorded request with the changes in `composition`.
    init(again model: StoredExchange, _ composition: Composition) throws(Refusal) {
        guard model.ending != nil else { throw Refusal(reason: .running) }
        guard !model.isWebSocket else { throw Refusal(reason: .websocket) }
        // A caller that supplies the whole request is responsible for it.
        let given = (composition.target == nil ? ["target"] : []) + (composition.fields == nil ? ["fields"] : [])
        guard !model.isTurnedAway || given.isEmpty else { throw Refusal(reason: .refused, missing: given) }
        let cut = Self.cut(model, composition)
        let redacted = Self.redacted(model, composition)
        guard cut.isEmpty else { throw Refusal(reason: .cut, missing: cut + redacted.filter { !cut.contains($0) }) }
        guard redacted.isEmpty else { throw Refusal(reason: .redacted, missing: redacted) }

        method = composition.method ?? model.method
        target = composition.target ?? model.target
        fields = composition.fields ?? model.request.fields.filter { !Self.isDropped($0.text, model) }
        body = composition.body ?? model.request.body.kept
        let hadLength = model.request.fields.contains {
            ["content-length", "transfer-encoding"].contains($0.text.lowercased())
        }
        hasLength = composition.body != nil || !body.isEmpty || hadLength
        host = model.request.fields.first { $0.text.lowercased() == "host" }?.value
    }

    /// The parts that were not stored completely and are not supplied.
    private static func cut(_ model: StoredExchange, _ composition: Composition) -> [String] {
        var missing: [String] = []
        let request = model.request
        if composition.method == nil, model.method.isEmpty { missing.append("method") }
        // Only the beginning of a long target is stored, and only the beginning of a line of bytes that are not a
        // request.
        let isLine = request.headSize == 0 && !model.isLate
        if composition.target == nil,
            isLine || model.target.first != UInt8(ascii: "/") || model.target.count >= Self.keptTarget
        {
            missing.append("target")
        }
        if composition.fields == nil, model.isLate || request.headSize == 0 { missing.append("fields") }
        // An encoded body is stored decoded, not as it was sent.
        let body = request.body
        let isWhole = !body.isCut && body.unreadable == nil && body.encoding == nil
        let isAllThere = UInt64(body.kept.count) == body.size || !body.redactions.isEmpty
        let isMissing = body.isCut || body.size > 0 && (!isWhole || !isAllThere)
        if composition.body == nil, isMissing { missing.append("body") }
        return missing
    }

    /// The maximum number of octets that are stored of a target.
    private static let keptTarget = 8 * 1024

    /// The redacted parts that are not supplied.
    private static func redacted(_ model: StoredExchange, _ composition: Composition) -> [String] {
        let ofHead = model.request.redactions.filter { item in
            guard let name = item.dropping("field ") else { return composition.target == nil }
            return composition.fields == nil && !isDropped(name, model)
        }
        return ofHead + (composition.body == nil ? model.request.body.redactions : [])
    }

    /// Whether a field is not the client's to send: Squire makes it, or the session's credential replaces it, in whatever
    /// spelling.
    private static func isDropped(_ name: String, _ model: StoredExchange) -> Bool {
        OwnFields.isRefused(name) || model.replaced.map { FoldedName($0.utf8) == FoldedName(name.utf8) } ?? false
    }

    /// Whether the method has a Content-Length even without a body (RFC 9110 section 8.6).
    private static func expectsBody(_ method: [UInt8]) -> Bool {
        ["POST", "PUT", "PATCH"].contains(String(decoding: method, as: UTF8.self))
    }

    // MARK: Octets

    /// The octets for the proxy, whose name is `host`; `key` is its access key.
    func octets(host: String, key: [UInt8]?) -> [UInt8] {
        var octets = method + [Octet.space] + target
        octets += " HTTP/1.1\r\nHost: ".utf8
        octets += self.host.flatMap { Self.isOfThisMachine($0) ? $0 : nil } ?? Array(host.utf8)
        octets += "\r\n".utf8
        for field in fields { Self.append(field.name, field.value, to: &octets) }
        if let key { Self.append(Array("X-Squire-Key".utf8), key, to: &octets) }
        if hasLength { Self.append(Array("Content-Length".utf8), Array("\(body.count)".utf8), to: &octets) }
        octets += "\r\n".utf8
        return octets + body
    }

    /// Whether the client's Host can be sent again: Squire accepts loopback names from anybody, and a page's own origin
    /// depends on it.
    private static func isOfThisMachine(_ host: [UInt8]) -> Bool {
        guard let name = Authority(String(decoding: host, as: UTF8.self)) else { return false }
        return name.isLoopbackAddress || name.host == "localhost"
    }

    private static func append(_ name: [UInt8], _ value: [UInt8], to octets: inout [UInt8]) {
        octets += name
        octets += ": ".utf8
        octets += value
        octets += "\r\n".utf8
    }
}

extension StoredField {
    fileprivate var text: String { String(decoding: name, as: UTF8.self) }
}

extension StoredExchange {
    /// Whether it became a WebSocket, or asked for one.
    fileprivate var isWebSocket: Bool {
        if isTunnel { return true }
        return request.fields.contains { field in
            field.text.lowercased() == "upgrade"
                && String(decoding: field.value, as: UTF8.self).lowercased().contains("websocket")
        }
    }
}

extension String {
    fileprivate func dropping(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.utf8.count)) : nil
    }
}
