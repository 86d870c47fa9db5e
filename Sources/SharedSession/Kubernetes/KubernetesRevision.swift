/// Which write made a Secret: its `uid`, and its `resourceVersion`, of which the API says nothing but that another
/// write has another one.
struct KubernetesRevision: Equatable, Sendable {
    /// Longer ones, and such as could not be shown, are refused.
    private static let maxTextBytes = 256

    let uid: String
    let resourceVersion: String

    /// Nil where a part is empty, too long or not visible ASCII, or the two could not be told apart.
    init?(uid: String, resourceVersion: String) {
        guard Self.isText(uid), Self.isText(resourceVersion), !uid.utf8.contains(UInt8(ascii: "@")) else { return nil }
        self.uid = uid
        self.resourceVersion = resourceVersion
    }

    /// Nil for what is no revision of a Secret.
    init?(_ revision: StoreRevision) {
        let text = revision.description
        guard let at = text.lastIndex(of: "@") else { return nil }
        self.init(uid: String(text[text.index(after: at)...]), resourceVersion: String(text[..<at]))
    }

    var revision: StoreRevision { StoreRevision("\(resourceVersion)@\(uid)") }

    static func isText(_ text: String) -> Bool {
        (1...maxTextBytes).contains(text.utf8.count) && text.utf8.allSatisfy { 0x21...0x7E ~= $0 }
    }
}
