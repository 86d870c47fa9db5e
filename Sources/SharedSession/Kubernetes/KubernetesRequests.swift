import Platform
import Support

/// The paths and bodies of requests to the API server, for one Secret.
struct KubernetesRequests: Sendable {
    /// The name of the value in the Secret's `data`.
    static let member = "record"
    /// The maximum length of a value, in octets. Reads have the same limit.
    static let maxValueBytes = 256 * 1024

    private let namespace: String
    private let secret: String

    init(namespace: String, secret: String) {
        self.namespace = namespace
        self.secret = secret
    }

    var collection: String { "/api/v1/namespaces/\(namespace)/secrets" }
    var object: String { "\(collection)/\(secret)" }
    /// The server examines a request to here like any other, and changes nothing.
    var dryRun: String { "\(object)?dryRun=All" }

    /// Reads the Secret as a list of one, because a single Secret does not say where a watch continues. Without
    /// `resourceVersion`, so that the read is the latest.
    var list: String { "\(collection)?fieldSelector=metadata.name%3D\(secret)" }

    /// Bookmarks do not concern the value. They keep intermediaries from closing a silent stream.
    func watch(after resourceVersion: String) -> String {
        "\(list)&watch=1&allowWatchBookmarks=true&resourceVersion=\(Self.encoded(resourceVersion))"
    }

    /// Creates the Secret.
    func create(_ bytes: [UInt8]) -> [UInt8] {
        let metadata = JSONValue.object([
            .init("name", .string(secret)), .init("namespace", .string(namespace)),
            .init("labels", .object([.init("app.kubernetes.io/managed-by", .string("squire"))])),
        ])
        let object = JSONValue.object([
            .init("apiVersion", .string("v1")), .init("kind", .string("Secret")), .init("metadata", metadata),
            .init("type", .string("Opaque")), .init("data", Self.data(bytes)),
        ])
        return object.octets()
    }

    /// Replaces `old` by `new` (RFC 6902). The server applies all operations or none. The patch also compares the whole
    /// value, because after a restore the server may reuse a `resourceVersion`.
    func replace(_ revision: KubernetesRevision, _ old: [UInt8], by new: [UInt8]) -> [UInt8] {
        let path = "/data/\(Self.member)"
        return Self.patch(
            Self.tests(revision) + [
                Self.operation("test", path, Self.text(old)), Self.operation("replace", path, Self.text(new)),
            ]
        )
    }

    /// Removes the value if it is still `old`.
    func remove(_ revision: KubernetesRevision, _ old: [UInt8]) -> [UInt8] {
        let path = "/data/\(Self.member)"
        let removal = JSONValue.object([.init("op", .string("remove")), .init("path", .string(path))])
        return Self.patch(Self.tests(revision) + [Self.operation("test", path, Self.text(old)), removal])
    }

    /// Adds the value to a Secret that has none.
    func fill(_ secret: KubernetesSecret, with bytes: [UInt8]) -> [UInt8] {
        let addition =
            secret.hasData
            ? Self.operation("add", "/data/\(Self.member)", Self.text(bytes))
            : Self.operation("add", "/data", Self.data(bytes))
        return Self.patch(Self.tests(secret.revision) + [addition])
    }

    private static func tests(_ revision: KubernetesRevision) -> [JSONValue] {
        [
            operation("test", "/metadata/uid", .string(revision.uid)),
            operation("test", "/metadata/resourceVersion", .string(revision.resourceVersion)),
        ]
    }

    private static func operation(_ name: String, _ path: String, _ value: JSONValue) -> JSONValue {
        .object([.init("op", .string(name)), .init("path", .string(path)), .init("value", value)])
    }

    private static func patch(_ operations: [JSONValue]) -> [UInt8] { JSONValue.array(operations).octets() }

    private static func data(_ bytes: [UInt8]) -> JSONValue { .object([.init(member, text(bytes))]) }

    private static func text(_ bytes: [UInt8]) -> JSONValue { .string(Base64.encode(bytes)) }

    /// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3, for a query.
    private static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += "%"
                for digit in [byte >> 4, byte & 0xF] {
                    result.unicodeScalars.append(Unicode.Scalar(Hexadecimal.digit(digit)))
                }
            }
        }
        return result
    }
}
