import Credentials
import HTTP1

/// The field that carries the session's credential, and in which clients send their own.
struct CredentialField: Sendable {
    /// `other` for a name that no other rule concerns, which is compared with `name`; nil if there is no credential.
    let id: FieldName?
    /// In lower case; empty if `id` says it all.
    let name: [UInt8]
    /// The name that some servers read other spellings as; nil if `FieldTable` lists it.
    let folded: FoldedName?

    init(_ session: SessionConfiguration) {
        let field = session.apply.field
        id = session.source == .unused ? nil : FieldTable.id(of: field)
        let hasOwnName = id != nil && !session.apply.isAuthorization
        name = hasOwnName ? Array(field.lowercased().utf8) : []
        folded = hasOwnName ? FoldedName(field.utf8) : nil
    }

    /// The name and its folded form, if `FieldTable` does not list it.
    var names: [([UInt8], FoldedName)] { folded.map { [(name, $0)] } ?? [] }

    @inline(__always)
    func isNamed(_ field: FieldLine, _ bytes: Span<UInt8>) -> Bool {
        field.id == id && (name.isEmpty || bytes.matches(field.name, name))
    }
}
