import HTTP1
import ReverseProxy

/// A request that the inspector sends through the proxy, as a client of it. Pure.
struct OutgoingRequest: Equatable {
    var method: [UInt8]
    /// In origin form.
    var target: [UInt8]
    /// Without those that the connection needs.
    var fields: [StoredField]
    var body: [UInt8]
    /// It has a length even if that is zero.
    var hasLength: Bool
    /// What the client called Squire; nil leaves that to whoever sends it.
    var host: [UInt8]?

    /// Why a recorded exchange cannot be sent again as it is.
    struct Refusal: Error, Equatable {
        enum Reason: String {
            case running, websocket, cut, redacted
            /// Squire let it not pass: sent by the inspector, it would.
            case refused
        }

        var reason: Reason
        /// What would have to be given: `target`, `fields`, `body`, or what was redacted.
        var missing: [String] = []
    }

    /// A request that a person wrote. The target is there, checked by `Composition`.
    init(_ composition: Composition, target: [UInt8]) {
        method = composition.method ?? Array("GET".utf8)
        self.target = target
        fields = composition.fields ?? []
        body = composition.body ?? []
        hasLength = composition.body != nil || Self.expectsBody(method)
    }

    /// The recorded request, with what `composition` has instead. `rule` decides whether the client's credential went
    /// upstream: its value is not kept.
    init(
        again model: StoredExchange,
        _ composition: Composition,
        rule: AuthorizationRule
    ) throws(Refusal) {
        guard model.ending != nil else { throw Refusal(reason: .running) }
        guard !model.isWebSocket else { throw Refusal(reason: .websocket) }
        // Whoever gives the whole request anew asks for their own.
        let given = (composition.target == nil ? ["target"] : []) + (composition.fields == nil ? ["fields"] : [])
        guard !model.isTurnedAway || given.isEmpty else { throw Refusal(reason: .refused, missing: given) }
        let cut = Self.cut(model, composition)
        let redacted = Self.redacted(model, composition, rule)
        guard cut.isEmpty else { throw Refusal(reason: .cut, missing: cut + redacted.filter { !cut.contains($0) }) }
        guard redacted.isEmpty else { throw Refusal(reason: .redacted, missing: redacted) }

        method = composition.method ?? model.method
        target = composition.target ?? model.target
        fields = composition.fields ?? model.request.fields.filter { !Self.isDropped($0.text) }
        body = composition.body ?? model.request.body.kept
        let hadLength = model.request.fields.contains {
            ["content-length", "transfer-encoding"].contains($0.text.lowercased())
        }
        hasLength = composition.body != nil || !body.isEmpty || hadLength
        host = model.request.fields.first { $0.text.lowercased() == "host" }?.value
    }

    /// What is not there any more, and was not given.
    private static func cut(_ model: StoredExchange, _ composition: Composition) -> [String] {
        var missing: [String] = []
        let request = model.request
        if composition.method == nil, model.method.isEmpty { missing.append("method") }
        // Of a target that was too long, the beginning is kept.
        // Of what was no request only the beginning of a line is known.
        let isLine = request.headSize == 0 && !model.isLate
        if composition.target == nil,
            isLine || model.target.first != UInt8(ascii: "/") || model.target.count >= Self.keptTarget
        {
            missing.append("target")
        }
        if composition.fields == nil, model.isLate || request.headSize == 0 { missing.append("fields") }
        // What is kept of an encoded body is what was in it, and not the octets that went.
        let body = request.body
        let isWhole = !body.isCut && body.unreadable == nil && body.encoding == nil
        let isAllThere = UInt64(body.kept.count) == body.size || !body.redactions.isEmpty
        let isMissing = body.isCut || body.size > 0 && (!isWhole || !isAllThere)
        if composition.body == nil, isMissing { missing.append("body") }
        return missing
    }

    /// Octets of a target that are kept at most.
    private static let keptTarget = 8 * 1024

    /// What was taken out, and not given.
    private static func redacted(
        _ model: StoredExchange,
        _ composition: Composition,
        _ rule: AuthorizationRule
    ) -> [String] {
        let ofHead = model.request.redactions.filter { item in
            guard let name = item.dropping("field ") else { return composition.target == nil }
            guard composition.fields == nil else { return false }
            // Replaced by the session's; where it is not, only its owner can give it again.
            if name.lowercased() == "authorization" { return rule == .fill }
            return !OwnFields.isRefused(name)
        }
        return ofHead + (composition.body == nil ? model.request.body.redactions : [])
    }

    private static func isDropped(_ name: String) -> Bool {
        OwnFields.isRefused(name) || name.lowercased() == "authorization"
    }

    /// Whether a length belongs to it even without a body (RFC 9110 section 8.6).
    private static func expectsBody(_ method: [UInt8]) -> Bool {
        ["POST", "PUT", "PATCH"].contains(String(decoding: method, as: UTF8.self))
    }

    // MARK: Octets

    /// As it goes to the proxy: `host` is what that is called, `key` what it asks its clients for.
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

    /// What the client said goes again where Squire accepts it from anybody: a page's own origin goes with it.
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
    /// It became one, or asked to.
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
