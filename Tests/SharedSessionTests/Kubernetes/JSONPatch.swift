import Support

/// The operations of RFC 6902 that the test's server knows, on members of objects.
enum JSONPatch {
    /// All of it, or nil.
    static func apply(_ operations: [JSONValue], to document: JSONValue) -> JSONValue? {
        var document = document
        for operation in operations {
            guard let path = operation["path"]?.string, path.hasPrefix("/") else { return nil }
            let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            if operation["op"] == .string("remove") {
                guard document.value(at: path) != nil, set(nil, at: parts, in: &document) else { return nil }
                continue
            }
            guard let value = operation["value"] else { return nil }
            switch operation["op"]?.string {
            case "test": guard document.value(at: path) == value else { return nil }
            case "replace":
                guard document.value(at: path) != nil, set(value, at: parts, in: &document) else { return nil }
            case "add": guard set(value, at: parts, in: &document) else { return nil }
            default: return nil
            }
        }
        return document
    }

    /// False where what the member would be in is no object.
    private static func set(_ value: JSONValue?, at parts: [String], in document: inout JSONValue) -> Bool {
        guard case .object = document, let first = parts.first else { return false }
        guard parts.count > 1 else {
            document[first] = value
            return true
        }
        guard var inner = document[first], set(value, at: Array(parts.dropFirst()), in: &inner) else { return false }
        document[first] = inner
        return true
    }
}
