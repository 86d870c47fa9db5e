public import HTTP1

/// What the access policy makes of one request.
public struct Admission {
    public enum Decision {
        case forward
        case refuse(Problem)
        /// A browser asks for a page of a configured origin: answered here.
        case preflight
    }

    public var decision: Decision
    /// The configured origin that asks, as it was sent.
    public var pageOrigin: [UInt8]?

    init(_ decision: Decision) {
        self.decision = decision
    }

    /// `bytes` are what `head` was parsed from.
    public init(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ policy: AccessPolicy) {
        // CONNECT has an authority that is not looked at: its form counts as absolute.
        guard head.method != .connect, head.method != .trace else {
            decision = .refuse(.methodNotAllowed)
            return
        }
        let text = { (range: ByteRange) in String(decoding: bytes[range.range], as: UTF8.self) }
        let all = { (id: FieldName) in head.fields.filter { $0.id == id }.map { text($0.value) } }
        let joined = { (id: FieldName) -> String? in
            let values = all(id)
            return values.isEmpty ? nil : values.joined(separator: ", ")
        }
        let origin = joined(.origin)
        if let origin, policy.isConfigured(origin) { pageOrigin = Array(origin.utf8) }
        // Exactly what Squire answers itself is not asked for the key; Squire's own pages have no preflights.
        let isPreflight =
            head.method == .options && pageOrigin != nil && head.first(.accessControlRequestMethod) != nil
        let refusal = policy.refusal(
            AccessPolicy.Request(
                host: head.host.map(text),
                targetAuthority: head.form == .absolute ? text(head.authority) : nil,
                origin: origin,
                fetchSite: joined(.secFetchSite),
                key: joined(.squireKey).map { Array($0.utf8) }
            ),
            isPreflight: isPreflight
        )
        if let refusal {
            decision = .refuse(refusal)
        } else {
            decision = isPreflight ? .preflight : .forward
        }
    }
}
