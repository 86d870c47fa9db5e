public import Credentials
import HTTP1

/// Removes secrets from recorded exchanges before they are stored. Pure.
///
/// `‹redacted›` replaces values with secret names, and `‹token, generation N›` a known token wherever it occurs: plain,
/// percent-encoded, escaped, in hexadecimal, or in base64. All other octets stay the same. Takes linear time.
public struct Redactor: Sendable {
    /// A token that requests carry or carried, and its number for people.
    public struct KnownToken: Sendable, Equatable {
        public var generation: Generation
        public var value: [UInt8]

        public init(generation: Generation, value: [UInt8]) {
            self.generation = generation
            self.value = value
        }
    }

    /// A redacted text, and what was removed: `field Cookie`, `query token`, `/password`, `value`.
    public struct Redacted: Equatable, Sendable {
        public var octets: [UInt8]
        public var redactions: [String]

        public init(octets: [UInt8], redactions: [String]) {
            self.octets = octets
            self.redactions = redactions
        }
    }

    private let secrets: SecretFinder
    private let places: SecretPlaces
    private let isSecretField: @Sendable (String) -> Bool

    /// `tokens` are the recent ones, `secrets` other values to remove everywhere, and `places` where tokens are.
    /// `isSecretField` decides by a field's name. Values of less than eight octets are not searched for.
    public init(
        tokens: [KnownToken],
        secrets: [[UInt8]],
        places: SecretPlaces = .none,
        isSecretField: @escaping @Sendable (String) -> Bool
    ) {
        self.secrets = SecretFinder(tokens: tokens, secrets: secrets)
        self.places = places
        self.isSecretField = isSecretField
    }

    // MARK: Targets

    /// The target without the values of secret parameters, and without known secrets.
    public func target(_ target: [UInt8]) -> Redacted {
        var findings = Findings(places)
        find(inTarget: target, into: &findings)
        return findings.applied(to: target)
    }

    private func find(inTarget target: [UInt8], into findings: inout Findings) {
        var view = TextView(target)
        for _ in 0...TargetScanner.maxDecodings {
            look(at: view, isEnded: true, into: &findings)
            TargetScanner.scan(view, into: &findings)
            guard let plain = view.without(.percent, isComplete: true) else {
                let plain = view.without(.escape, isComplete: true)
                if let plain { look(at: plain, isEnded: true, into: &findings) }
                return
            }
            view = plain
        }
        TargetScanner.scanHidden(view, into: &findings)
    }

    // MARK: Fields

    /// The field's value without secrets; without all of it, if the name is secret.
    public func field(_ name: [UInt8], _ value: [UInt8]) -> Redacted {
        let shown = String(decoding: name.prefix(Findings.maxName), as: UTF8.self)
        let reason = Findings.Reason.name("field \(shown)")
        let view = TextView(value)
        var findings = Findings(places)
        switch String(decoding: name, as: UTF8.self).lowercased() {
        case "cookie":
            for pair in FieldScanner.pairs(value) { findings.add(pair, in: view, reason) }
        case "set-cookie":
            if let first = FieldScanner.pairs(value).first { findings.add(first, in: view, reason) }
        case "location", "content-location", "referer":
            find(inTarget: value, into: &findings)
        default:
            guard isSecretField(String(decoding: name, as: UTF8.self)) else { break }
            findings.add(FieldScanner.secret(value), in: view, reason)
        }
        findByValue(view, isEnded: true, into: &findings)
        var redacted = findings.applied(to: value)
        if !redacted.redactions.isEmpty { redacted.redactions = ["field \(clean(shown))"] }
        return redacted
    }

    /// A word that a peer chose, such as a method or a field's name, without secrets.
    public func word(_ octets: [UInt8]) -> [UInt8] { Array(clean(String(decoding: octets, as: UTF8.self)).utf8) }

    // MARK: Bodies

    /// A WebSocket message, or an event, without secrets.
    public func message(_ octets: [UInt8], isComplete: Bool = true) -> [UInt8] {
        text(octets, type: nil, isComplete: isComplete).octets
    }

    /// A text of that media type without secrets. The result for a prefix of a text is a prefix of the result for the
    /// whole text.
    public func text(_ octets: [UInt8], type: String?, isComplete: Bool = true) -> Redacted {
        var findings = Findings(places)
        let view = TextView(octets)
        switch MediaKind(type, octets) {
        case .json:
            MemberScanner.scan(view, 0..<view.count, isEnded: isComplete, into: &findings)
            if !MemberScanner.looksLikeJSON(octets) { findUndeclared(view, isEnded: isComplete, into: &findings) }
        case .form: FormScanner.scanURLEncoded(view, isEnded: isComplete, into: &findings)
        case .multipart(let boundary):
            FormScanner.scanMultipart(view, boundary: boundary, isEnded: isComplete, into: &findings)
            MemberScanner.scan(view, 0..<view.count, isEnded: isComplete, isJSON: false, into: &findings)
        case .events: FieldScanner.scanEvents(view, isEnded: isComplete, into: &findings)
        case .other:
            MemberScanner.scan(view, 0..<view.count, isEnded: isComplete, isJSON: false, into: &findings)
            findUndeclared(view, isEnded: isComplete, into: &findings)
        }
        findByValue(view, isEnded: isComplete, into: &findings)
        guard isComplete || !findings.isEmpty else { return Redacted(octets: octets, redactions: []) }
        var redacted = findings.applied(to: octets)
        // Names are foreign text, too.
        redacted.redactions = redacted.redactions.map(clean)
        return redacted
    }

    private func findUndeclared(_ view: TextView, isEnded: Bool, into findings: inout Findings) {
        FormScanner.scanUndeclared(view, isEnded: isEnded, into: &findings)
        ElementScanner.scan(view, isEnded: isEnded, into: &findings)
    }

    private func clean(_ name: String) -> String {
        let octets = Array(name.utf8)
        var findings = Findings(places)
        findByValue(TextView(octets), isEnded: true, into: &findings)
        return findings.isEmpty ? name : String(decoding: findings.applied(to: octets).octets, as: UTF8.self)
    }

    // MARK: By value

    /// Finds known secrets and token-shaped values, in every encoding.
    private func findByValue(_ view: TextView, isEnded: Bool, into findings: inout Findings) {
        look(at: view, isEnded: isEnded, into: &findings)
        for encoding in [TextView.Encoding.escape, .percent, .wide] {
            guard let once = view.without(encoding, isComplete: isEnded) else { continue }
            look(at: once, isEnded: isEnded, into: &findings)
            guard encoding != .wide else { continue }
            for further in [TextView.Encoding.escape, .percent] {
                guard let twice = once.without(further, isComplete: isEnded) else { continue }
                look(at: twice, isEnded: isEnded, into: &findings)
                guard encoding == further, let thrice = twice.without(further, isComplete: isEnded) else { continue }
                look(at: thrice, isEnded: isEnded, into: &findings)
            }
        }
    }

    /// Searches one decoding of the text.
    private func look(at view: TextView, isEnded: Bool, into findings: inout Findings) {
        view.octets.withUnsafeBufferPointer { octets in
            let pending = secrets.find(in: octets) { findings.add($0, in: view, .value, $1) }
            let open = ShapeFinder.find(in: octets, isEnded: isEnded) { findings.add($0, in: view, .value) }
            guard !isEnded else { return }
            findings.hold(from: view.count - pending, in: view)
            if let open { findings.hold(from: open, in: view) }
        }
    }
}

/// How a body is searched.
private enum MediaKind {
    case json, form, events, other
    case multipart(boundary: [UInt8])

    private static let formType = Array("application/x-www-form-urlencoded".utf8)
    private static let multipartType = Array("multipart/".utf8)
    private static let eventsType = Array("text/event-stream".utf8)

    init(_ type: String?, _ octets: [UInt8]) {
        // As octets, because each body needs this, and searching text is slow.
        let name = (type ?? "").utf8.prefix { $0 != UInt8(ascii: ";") }
            .filter { $0 != Octet.space && $0 != Octet.tab }
            .map(Octet.lowercase)
        if name == Self.formType {
            self = .form
        } else if name.starts(with: Self.multipartType), let boundary = type.flatMap(FormScanner.boundary) {
            self = .multipart(boundary: boundary)
        } else if name == Self.eventsType {
            self = .events
        } else if name.span.contains("json") || MemberScanner.looksLikeJSON(octets) {
            self = .json
        } else {
            self = .other
        }
    }
}
