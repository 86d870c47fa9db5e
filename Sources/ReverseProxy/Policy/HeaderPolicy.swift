public import EventIO
public import HTTP1

/// Decides, field by field, what is sent upstream and what the client receives.
///
/// The order is the safety rule: first hop-by-hop fields are removed, then those that a client may not set; then
/// configured fields are added, and the credential last.
public final class HeaderPolicy: Sendable {
    private struct Rule: Sendable {
        var lowercaseName: [UInt8]
        /// The name that some servers read other spellings as.
        var folded: FoldedName
        var isReplacedOnSignIn: Bool
        /// The parts of the whole line around each `{uuid}`, line end included.
        var parts: [[UInt8]]
        var overwrite: Bool
    }

    private let rules: [Rule]
    /// One bit for each length of a configured name (modulo 64): most fields need no further comparison.
    private let lengths: UInt64
    /// All rules rendered, for the case that no value changes between requests and the client sent none of the names.
    private let staticBlock: [UInt8]?
    /// The rules that do not apply to sign-ins, one bit each.
    private let replacedOnSignIn: UInt64
    /// The trailers of a request that are forwarded.
    public let trailers: TrailerFilter
    /// The client's fields that are dropped.
    private let dropped: FieldNames
    private let droppedOnSignIn: FieldNames
    /// The rows that no differently spelt field may be read as.
    private let protected = FieldTable.rows.filter { !$0.traits.isDisjoint(with: [.hopByHop, .reserved]) }
    private let hostLine: [UInt8]
    /// Prepended to each target; may be empty.
    private let basePath: [UInt8]
    /// The field for the credential.
    private let credential: CredentialField
    /// The response to a sign-in may contain a token.
    private let learnsTokens: Bool
    /// The client's own credential takes precedence.
    private let fillsCredential: Bool
    private let pseudonym: Pseudonym

    /// The maximum number of rules: one bit each.
    public static let maxRules = 64

    public init(_ configuration: ProxyConfiguration, pseudonym: Pseudonym = .ofThisProcess) {
        self.pseudonym = pseudonym
        let rules = configuration.headers.prefix(Self.maxRules).map { rule in
            Rule(
                lowercaseName: Array(rule.name.lowercased().utf8),
                folded: FoldedName(rule.name.utf8),
                isReplacedOnSignIn: FieldTable.row(imitatedBy: rule.name.utf8)?.traits.contains(.replacedOnSignIn)
                    ?? false,
                parts: Self.parts(rule),
                overwrite: rule.overwrite
            )
        }
        self.rules = rules
        let credential = CredentialField(configuration.session)
        self.credential = credential
        let names = rules.map { ($0.lowercaseName, $0.folded) } + credential.names
        lengths = names.reduce(0) { $0 | 1 << UInt64($1.0.count & 63) | 1 << UInt64($1.1.octets.count & 63) }
        replacedOnSignIn = rules.indices.reduce(0) { $0 | (rules[$1].isReplacedOnSignIn ? 1 << UInt64($1) : 0) }
        learnsTokens = configuration.session.learnsTokens
        fillsCredential = configuration.authorization == .fill
        trailers = TrailerFilter(dropping: rules.map(\.folded) + (credential.folded.map { [$0] } ?? []))
        var dropped = FieldNames(having: [.hopByHop, .reserved])
        var droppedOnSignIn = FieldNames(having: [.hopByHop, .reserved, .replacedOnSignIn])
        if credential.id != .authorization {
            // Treats the field like any other.
            dropped.remove(.authorization)
            droppedOnSignIn.remove(.authorization)
        }
        self.dropped = dropped
        self.droppedOnSignIn = droppedOnSignIn
        hostLine = Array("Host: \(configuration.upstream.host)\r\n".utf8)
        basePath = Array(configuration.basePath.utf8)
        staticBlock = rules.allSatisfy { $0.parts.count == 1 } ? rules.flatMap { $0.parts[0] } : nil
    }

    private static func parts(_ rule: HeaderRule) -> [[UInt8]] {
        let line = "\(rule.name): \(rule.value)\r\n"
        return rule.isLiteral ? [Array(line.utf8)] : split(line)
    }

    private static func split(_ value: String) -> [[UInt8]] {
        let mark = Array("{uuid}".utf8)
        var parts: [[UInt8]] = [[]]
        var rest = Array(value.utf8)[...]
        while !rest.isEmpty {
            if rest.starts(with: mark) {
                parts.append([])
                rest = rest.dropFirst(mark.count)
            } else {
                parts[parts.count - 1].append(rest.removeFirst())
            }
        }
        return parts
    }

    /// The result of rendering a request's head.
    public struct Rendered {
        /// The offset of the target as the client sees it, behind the base path, in bytes from the start of the head. It
        /// may lack its leading slash (`TargetPlace`).
        public var targetOffset = 0
        /// The length of the target in bytes.
        public var targetLength = 0
        /// Where the client's fields end, in bytes from the head's start: between there and `rulesOffset` are those that
        /// Squire makes. The first field is Squire's, too.
        public var madeOffset = 0
        /// Where the configured fields begin, in bytes from the head's start.
        public var rulesOffset = 0
        /// The client's own credential is forwarded (`authorization: fill`, or a path without bearer).
        public var hasCredential = false
        /// `Via` names this process: the request has been here before.
        public var isLoop = false
    }

    /// Appends the head for the upstream up to the place of the credential. The caller appends that, and the empty
    /// line.
    ///
    /// `bytes` are what `head` was parsed from; `place` relates its target to the base path. `keepsExpectation`
    /// forwards the client's `Expect`.
    public func render(
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        route: RouteKind,
        place: TargetPlace = .below,
        keepsExpectation: Bool,
        identifiers: inout IdentifierGenerator,
        into output: ByteBuffer
    ) -> Rendered {
        let start = output.count
        let targetStart = appendMethod(head, bytes, place, to: output)
        appendTarget(head, bytes, to: output)
        let targetEnd = output.count
        output.append(" HTTP/1.1\r\n")
        output.append(hostLine)
        let isLookedInto = route == .signIn && learnsTokens
        var copying = Copying(dropped: isLookedInto ? droppedOnSignIn : dropped)
        copying.result.targetOffset = targetStart + place.count - start
        copying.result.targetLength = targetEnd - targetStart - place.count
        if head.maxForwards != nil { copying.dropped.insert(.maxForwards) }
        switch route {
        case .signIn, .anonymous: copying.keepsCredential = true
        case .ordinary, .signOut, .refresh: copying.keepsCredential = fillsCredential
        }
        if isLookedInto { copying.present = replacedOnSignIn }
        let span = bytes.assumingMemoryBound(to: UInt8.self).span
        var copier = FieldCopier(bytes)
        for index in head.fields.indices {
            let field = head.fields[index]
            if keeps(field, span, &copying) { copier.keep(field) } else { copier.endPiece(to: output) }
        }
        copier.endPiece(to: output)
        copying.result.madeOffset = output.count - start
        output.append(head.framing)
        if head.upgradesToWebSocket { output.append("Connection: Upgrade\r\nUpgrade: websocket\r\n") }
        if let hops = head.maxForwards, hops > 0 { output.appendField("Max-Forwards: ", hops - 1) }
        if isLookedInto { output.append("Accept-Encoding: identity\r\n") }
        if keepsExpectation { output.append("Expect: 100-continue\r\n") }
        output.append(pseudonym.line(receivedAs: head.minorVersion))
        copying.result.rulesOffset = output.count - start
        appendRules(copying.present, identifiers: &identifiers, to: output)
        return copying.result
    }

    /// Appends the method, a blank and, if needed, the base path; returns the offset of the target.
    @inline(__always)
    private func appendMethod(
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        _ place: TargetPlace,
        to output: ByteBuffer
    ) -> Int {
        append(bytes, head.methodRange.range, to: output)
        output.append(0x20)
        if place == .below, !basePath.isEmpty, head.method != .connect, !isAboutServer(head) { output.append(basePath) }
        return output.count
    }

    /// OPTIONS for `*`, or for a URL without a path, concerns the server as a whole (RFC 9112 section 3.2.4).
    private func isAboutServer(_ head: RequestHead) -> Bool {
        head.form == .asterisk || head.method == .options && head.pathAndQuery.isEmpty
    }

    private func appendTarget(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, to output: ByteBuffer) {
        if head.method == .connect {
            // Not forwarded, but the log takes the target from here.
            append(bytes, head.authority.range, to: output)
        } else if head.pathAndQuery.isEmpty {
            output.append(isAboutServer(head) ? 0x2A : 0x2F)
        } else if bytes[Int(head.pathAndQuery.lowerBound)] == 0x3F {
            output.append(0x2F)
        }
        append(bytes, head.pathAndQuery.range, to: output)
    }

    /// State of one pass over the fields of a head.
    private struct Copying {
        var result = Rendered()
        var dropped: FieldNames
        var keepsCredential = false
        /// A set bit disables the rule.
        var present: UInt64 = 0
    }

    /// Whether a field is forwarded.
    @inline(__always)
    private func keeps(_ field: FieldLine, _ bytes: Span<UInt8>, _ copying: inout Copying) -> Bool {
        if field.id == .via, pseudonym.isNamed(in: bytes, field.value) { copying.result.isLoop = true }
        if credential.isNamed(field, bytes) {
            guard copying.keepsCredential, !copying.result.hasCredential, !field.value.isEmpty, !field.isNominated
            else {
                return false
            }
            copying.result.hasCredential = true
            return true
        } else {
            guard !field.isNominated, !copying.dropped.contains(field.id) else { return false }
            if field.hasOddName, isImitation(bytes, field.name) { return false }
        }
        guard lengths >> UInt64(field.name.count & 63) & 1 == 1 else { return true }
        if let folded = credential.folded, bytes.folds(field.name, to: folded.octets) { return false }
        guard let rule = rule(bytes, field.name) else { return true }
        guard !rules[rule].overwrite, bytes.matches(field.name, rules[rule].lowercaseName) else { return false }
        copying.present |= 1 << UInt64(rule)
        return true
    }

    private func appendRules(_ present: UInt64, identifiers: inout IdentifierGenerator, to output: ByteBuffer) {
        if present == 0, let staticBlock { return output.append(staticBlock) }
        for (index, rule) in rules.enumerated() where present >> UInt64(index) & 1 == 0 {
            output.append(rule.parts[0])
            for part in rule.parts.dropFirst() {
                identifiers.appendUUID(to: output)
                output.append(part)
            }
        }
    }

    /// The rule for the field's name, or for a name that some servers read it as. An exact match takes precedence.
    private func rule(_ bytes: Span<UInt8>, _ name: ByteRange) -> Int? {
        for index in rules.indices where bytes.matches(name, rules[index].lowercaseName) { return index }
        for index in rules.indices where bytes.folds(name, to: rules[index].folded.octets) { return index }
        return nil
    }

    /// Whether some servers read the name as one that affects the credential, the framing or the connection, or as a
    /// configured one: `Authorization_`, `Content_Length`, `Device_UUID`.
    private func isImitation(_ bytes: Span<UInt8>, _ name: ByteRange) -> Bool {
        if bytes.folds(name, toAnyOf: protected) { return true }
        if let folded = credential.folded, bytes.folds(name, to: folded.octets) { return true }
        for rule in rules where !bytes.matches(name, rule.lowercaseName) && bytes.folds(name, to: rule.folded.octets) {
            return true
        }
        return false
    }

    @inline(__always)
    private func append(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, to output: ByteBuffer) {
        output.append(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
}
