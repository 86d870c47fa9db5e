/// Identifies the write that made a Secret, by its `uid` and `resourceVersion`. The latter is opaque: the API promises
/// only that it differs after each write.
struct KubernetesRevision: Equatable, Sendable {
    /// Longer values, and unprintable ones, are rejected.
    private static let maxTextBytes = 256

    let uid: String
    let resourceVersion: String

    /// Nil if a part is empty, too long or not visible ASCII, or if `uid` contains the separator.
    init?(uid: String, resourceVersion: String) {
        guard Self.isText(uid), Self.isText(resourceVersion), !uid.utf8.contains(UInt8(ascii: "@")) else { return nil }
        self.uid = uid
        self.resourceVersion = resourceVersion
    }

    /// Nil if `revision` is not one of a Secret.
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
