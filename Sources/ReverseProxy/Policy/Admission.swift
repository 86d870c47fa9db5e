public import HTTP1

/// The access policy's verdict on one request.
public struct Admission {
    public enum Decision {
        case forward
        case refuse(Problem)
        /// A browser's preflight for a page of a configured origin: answered here.
        case preflight
        /// An OPTIONS request with `Max-Forwards: 0`, which asks for the options of the proxy itself (RFC 9110 section
        /// 7.6.2): answered here.
        case options
    }

    public var decision: Decision
    /// How the target relates to the base path.
    public private(set) var place = TargetPlace.below
    /// The configured origin of the page that sent the request, as it was sent.
    public var pageOrigin: [UInt8]?

    init(_ decision: Decision) {
        self.decision = decision
    }

    /// Whether the head tells more about its sender than a Host does. If not, a previously accepted Host is sufficient.
    /// Allocates nothing.
    public static func needsLook(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ policy: AccessPolicy) -> Bool {
        if head.form == .absolute || head.method == .trace || head.method == .connect || policy.needsKey { return true }
        if head.maxForwards == 0 { return true }
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

    /// Relates the target of an admitted request to the base path, and refuses one that is not below it. `bytes` are
    /// what `head` was parsed from. Allocates nothing, unless the target is absolute.
    public mutating func locate(
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        under base: BasePath,
        _ policy: AccessPolicy
    ) {
        guard head.form != .asterisk else { return }
        switch decision {
        case .forward, .options: break
        case .refuse, .preflight: return
        }
        if head.form == .absolute,
            policy.isUpstream(String(decoding: bytes[head.authority.range], as: UTF8.self))
        {
            guard base.begins(UnsafeRawBufferPointer(rebasing: bytes[head.path.range])) else {
                decision = .refuse(.outsideBasePath)
                return
            }
            place = .whole(basePath: base.octets.count)
        }
        let path = UnsafeRawBufferPointer(rebasing: bytes[place.path(of: head).range])
        if BasePath.climbs(path) { decision = .refuse(.aboveBasePath) }
    }

    /// `bytes` are what `head` was parsed from.
    public init(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ policy: AccessPolicy) {
        // The authority of CONNECT is not examined: its form counts as absolute.
        guard head.method != .connect, head.method != .trace else {
            decision = .refuse(.methodNotAllowed)
            return
        }
        let text = { (range: ByteRange) in String(decoding: bytes[range.range], as: UTF8.self) }
        let all = { (id: FieldName) in head.fields.filter { $0.id == id }.map { text($0.value) } }
        let joined = { (ids: FieldName...) -> String? in
            let values = ids.flatMap(all)
            return values.isEmpty ? nil : values.joined(separator: ", ")
        }
        let origin = joined(.origin)
        if let origin, policy.isConfigured(origin) { pageOrigin = Array(origin.utf8) }
        // The key is waived for exactly the requests that Squire answers itself. Squire's own pages send no preflights.
        let isPreflight =
            head.method == .options && pageOrigin != nil && head.first(.accessControlRequestMethod) != nil
        let problem = policy.denial(
            AccessPolicy.Request(
                host: head.host.map(text),
                targetAuthority: head.form == .absolute ? text(head.authority) : nil,
                origin: origin,
                fetchSite: joined(.secFetchSite),
                purpose: joined(.secPurpose, .purpose),
                userAgent: joined(.userAgent),
                key: joined(.squireKey).map { Array($0.utf8) }
            ),
            isPreflight: isPreflight
        )
        if let problem {
            decision = .refuse(problem)
        } else {
            decision = isPreflight ? .preflight : head.maxForwards == 0 ? .options : .forward
        }
    }
}

/// How a request's target relates to the base path, and what of it the configuration and clients see: the part without
/// the base path.
public enum TargetPlace: Equatable, Sendable, BitwiseCopyable {
    /// Below it: the base path is prepended to the target.
    case below
    /// A complete target of the upstream, which begins with the base path; the value is the base path's length.
    case whole(basePath: Int)

    /// How many octets of the target belong to the base path.
    var count: Int { if case .whole(let count) = self { count } else { 0 } }

    /// The path as the configuration and clients see it. Behind a base path it may be empty.
    public func path(of head: RequestHead) -> ByteRange { rest(of: head.path) }

    /// The target as the configuration and clients see it, in origin form. `octets` are what `head` was parsed from.
    public func target(of head: RequestHead, _ octets: [UInt8]) -> [UInt8] {
        let rest = octets[rest(of: head.pathAndQuery).range]
        return Self.lacksSlash(rest.first) ? [UInt8(ascii: "/")] + rest : Array(rest)
    }

    /// Whether a target that begins with `first` needs a slash before it: it is empty, or only a query.
    static func lacksSlash(_ first: UInt8?) -> Bool { first == nil || first == UInt8(ascii: "?") }

    private func rest(of part: ByteRange) -> ByteRange {
        ByteRange(min(Int(part.lowerBound) + count, Int(part.upperBound)), Int(part.upperBound))
    }
}
