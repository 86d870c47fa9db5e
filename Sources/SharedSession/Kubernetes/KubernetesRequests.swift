import Platform
import Support

/// The paths and bodies of requests to the API server, for one Secret.
struct KubernetesRequests: Sendable {
    /// The member of the Secret's `data` that has the value.
    static let member = "record"
    /// Larger values are not written: what reads them has the same limit.
    static let maxValueBytes = 256 * 1024

    private let namespace: String
    private let secret: String

    init(namespace: String, secret: String) {
        self.namespace = namespace
        self.secret = secret
    }

    var collection: String { "/api/v1/namespaces/\(namespace)/secrets" }
    var object: String { "\(collection)/\(secret)" }

    /// Reads the Secret as a collection of one: a Secret alone does not say where a watch goes on from. Without
    /// `resourceVersion`: the read is of the latest.
    var list: String { "\(collection)?fieldSelector=metadata.name%3D\(secret)" }

    /// The bookmarks say nothing of the value: they keep what is between from taking the stream for dead.
    func watch(after resourceVersion: String) -> String {
        "\(list)&watch=1&allowWatchBookmarks=true&resourceVersion=\(Self.encoded(resourceVersion))"
    }

    /// The Secret as it is made.
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

    /// Replaces `old` by `new` (RFC 6902). The server applies all of it to the Secret as it is, or nothing: it compares
    /// the whole value too, where `resourceVersion` alone would be fooled by a server that was restored.
    func replace(_ revision: KubernetesRevision, _ old: [UInt8], by new: [UInt8]) -> [UInt8] {
        let path = "/data/\(Self.member)"
        return Self.patch(
            Self.tests(revision) + [
                Self.operation("test", path, Self.text(old)), Self.operation("replace", path, Self.text(new)),
            ]
        )
    }

    /// Takes the value away, where it is still `old`.
    func remove(_ revision: KubernetesRevision, _ old: [UInt8]) -> [UInt8] {
        let path = "/data/\(Self.member)"
        let removal = JSONValue.object([.init("op", .string("remove")), .init("path", .string(path))])
        return Self.patch(Self.tests(revision) + [Self.operation("test", path, Self.text(old)), removal])
    }

    /// Puts the value into a Secret that has none.
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

    /// For a query: all but the unreserved characters of RFC 3986 section 2.3.
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
