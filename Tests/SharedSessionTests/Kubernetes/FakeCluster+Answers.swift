import Support

/// What a real API server writes, byte for byte where it was seen.
extension FakeCluster {
    static func status(
        _ code: Int,
        _ reason: String,
        _ message: String,
        details: String? = nil
    ) -> String {
        #"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"#
            + JSONValue.string(message).serialized() + #","reason":"# + JSONValue.string(reason).serialized()
            + (details.map { #","details":\#($0)"# } ?? "") + #","code":\#(code)}"#
    }

    static let unauthorized = status(401, "Unauthorized", "Unauthorized")
    /// Of a JSON Patch that does not apply, whatever the reason.
    static let notApplied = status(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
        details: "{}"
    )
    static let immutable = status(
        422,
        "Invalid",
        "Secret \"\(secret)\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
        details: #"{"name":"\#(secret)","kind":"Secret","causes":[{"reason":"FieldValueForbidden","message":"#
            + #""Forbidden: field is immutable when `immutable` is set","field":"data"}]}"#
    )
    static let conflict = status(
        409,
        "Conflict",
        "Operation cannot be fulfilled on secrets \"\(secret)\": the object has been modified; "
            + "please apply your changes to the latest version and try again",
        details: named
    )
    static let exists = status(409, "AlreadyExists", "secrets \"\(secret)\" already exists", details: named)
    static let notFound = status(404, "NotFound", "secrets \"\(secret)\" not found", details: named)
    static let noNamespace = status(
        404,
        "NotFound",
        "namespaces \"\(namespace)\" not found",
        details: #"{"name":"\#(namespace)","kind":"namespaces"}"#
    )
    static let terminating = status(
        403,
        "Forbidden",
        "secrets \"\(secret)\" is forbidden: unable to create new content in namespace \(namespace) because it is being "
            + "terminated",
        details: #"{"name":"\#(secret)","kind":"secrets","causes":[{"reason":"NamespaceTerminating","message":"#
            + #""namespace \#(namespace) is being terminated","field":"metadata.namespace"}]}"#
    )
    static let initializing = status(
        429,
        "TooManyRequests",
        "storage is (re)initializing",
        details: #"{"retryAfterSeconds":1}"#
    )

    static func forbidden(_ verb: String) -> String {
        status(
            403,
            "Forbidden",
            "secrets \"\(secret)\" is forbidden: User \"system:serviceaccount:\(namespace):squire\" cannot \(verb) "
                + "resource \"secrets\" in API group \"\" in the namespace \"\(namespace)\"",
            details: named
        )
    }

    static func expired(_ asked: String, _ oldest: String) -> String {
        status(410, "Expired", "too old resource version: \(asked) (\(oldest))")
    }

    private static let named = #"{"name":"\#(secret)","kind":"secrets"}"#

    static func event(_ type: String, _ object: String) -> String { #"{"type":"\#(type)","object":\#(object)}"# + "\n" }

    func bookmark(_ version: Int) -> String {
        let object =
            #"{"kind":"Secret","apiVersion":"v1","metadata":{"resourceVersion":"\#(spell(version))","#
            + #""creationTimestamp":null}}"#
        return Self.event("BOOKMARK", object)
    }

    /// Objects in a collection have neither kind nor version.
    func list(_ state: State) -> String {
        let items = state.object.map { [self.text($0, isAlone: false)] } ?? []
        return #"{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"\#(spell(state.version))"},"#
            + #""items":[\#(items.joined(separator: ","))]}"#
    }

    func text(_ object: Object, isAlone: Bool = true) -> String {
        (isAlone ? #"{"kind":"Secret","apiVersion":"v1","# : "{")
            + #""metadata":{"name":"\#(Self.secret)","namespace":"\#(Self.namespace)","uid":"\#(object.uid)","#
            + #""resourceVersion":"\#(spell(object.version))","creationTimestamp":"2026-11-27T03:00:00Z","#
            + #""managedFields":[{"manager":"squire","operation":"Update","apiVersion":"v1","#
            + #""time":"2026-11-27T03:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:record":{}}}}]}"#
            + (object.data.map { #","data":\#($0.serialized())"# } ?? "") + #","type":"Opaque"}"#
    }
}
