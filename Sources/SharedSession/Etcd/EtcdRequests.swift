import Support

/// The bodies of requests to etcd's JSON gateway, for one key.
///
/// The gateway ignores unknown members: a misspelled comparison would compare nothing.
struct EtcdRequests: Sendable {
    /// The maximum length of a value, in octets. Reads have the same limit.
    static let maxValueBytes = 256 * 1024

    private let key: JSONValue

    init(key: String) {
        self.key = .string(Base64.encode(Array(key.utf8)))
    }

    /// Not `serializable`, so that the read is linearizable.
    var range: [UInt8] { Self.bytes([.init("key", key)]) }

    /// Nil if the expected value's revision is not one of etcd's.
    func swap(expecting: StoredValue?, with bytes: [UInt8]) -> [UInt8]? {
        let put = JSONValue.object([.init("key", key), .init("value", .string(Base64.encode(bytes)))])
        return transaction(expecting: expecting, .init("request_put", put))
    }

    /// Nil if the expected value's revision is not one of etcd's.
    func remove(expecting: StoredValue) -> [UInt8]? {
        transaction(expecting: expecting, .init("request_delete_range", .object([.init("key", key)])))
    }

    private func transaction(expecting: StoredValue?, _ change: JSONValue.Member) -> [UInt8]? {
        guard let revision = expecting.map(\.revision.etcd) ?? 0 else { return nil }
        var comparisons = [comparison("MOD", "mod_revision", .string(String(revision)))]
        if let expecting {
            comparisons.append(comparison("VALUE", "value", .string(Base64.encode(expecting.bytes))))
        }
        return Self.bytes([
            .init("compare", .array(comparisons)),
            .init("success", .array([.object([change])])),
            .init("failure", .array([.object([.init("request_range", .object([.init("key", key)]))])])),
        ])
    }

    func watch(from revision: Int64) -> [UInt8] {
        Self.bytes([
            .init("create_request", .object([.init("key", key), .init("start_revision", .string(String(revision)))]))
        ])
    }

    static func authenticate(user: String, password: String) -> [UInt8] {
        bytes([.init("name", .string(user)), .init("password", .string(password))])
    }

    private func comparison(_ target: String, _ member: String, _ value: JSONValue) -> JSONValue {
        .object([
            .init("key", key), .init("target", .string(target)), .init("result", .string("EQUAL")),
            .init(member, value),
        ])
    }

    private static func bytes(_ members: [JSONValue.Member]) -> [UInt8] {
        Array(JSONValue.object(members).serialized().utf8)
    }
}
