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

    /// Whether the head says more about who sends it than a Host: if not, a Host that was accepted before is enough.
    /// Allocates nothing.
    public static func needsLook(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ policy: AccessPolicy) -> Bool {
        if head.form == .absolute || head.method == .trace || head.method == .connect || policy.needsKey { return true }
        let names = head.names
        if names.contains(.origin) || names.contains(.secFetchSite) || names.contains(.secPurpose)
            || names.contains(.purpose)
        {
            return true
        }
        guard names.contains(.userAgent) else { return false }
        let span = bytes.assumingMemoryBound(to: UInt8.self).span
        for field in head.fields where field.id == .userAgent && field.value.count >= 8 {
            let start = Int(field.value.lowerBound)
            if span.matches(ByteRange(start, start + 8), "mozilla/") { return true }
        }
        return false
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
        let problem = policy.denial(
            AccessPolicy.Request(
                host: head.host.map(text),
                targetAuthority: head.form == .absolute ? text(head.authority) : nil,
                origin: origin,
                fetchSite: joined(.secFetchSite),
                purpose: [joined(.secPurpose), joined(.purpose)].compactMap(\.self).joined(separator: ", "),
                userAgent: joined(.userAgent),
                key: joined(.squireKey).map { Array($0.utf8) }
            ),
            isPreflight: isPreflight
        )
        if let problem {
            decision = .refuse(problem)
        } else {
            decision = isPreflight ? .preflight : .forward
        }
    }
}
