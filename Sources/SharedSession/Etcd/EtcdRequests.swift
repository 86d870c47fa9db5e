import Support

/// The bodies of requests to etcd's JSON gateway, for one key.
///
/// The gateway ignores members whose names it does not know: a misspelt comparison would compare nothing.
struct EtcdRequests: Sendable {
    /// Larger values are not written: what reads them has the same limit.
    static let maxValueBytes = 256 * 1024

    private let key: JSONValue

    init(key: String) {
        self.key = .string(EtcdBase64.encode(Array(key.utf8)))
    }

    /// Without `serializable`: the read is linearizable.
    var range: [UInt8] { Self.bytes([.init("key", key)]) }

    func swap(expecting: StoredValue?, with bytes: [UInt8]) -> [UInt8] {
        let put = JSONValue.object([.init("key", key), .init("value", .string(EtcdBase64.encode(bytes)))])
        return transaction(expecting: expecting, .init("request_put", put))
    }

    func remove(expecting: StoredValue) -> [UInt8] {
        transaction(expecting: expecting, .init("request_delete_range", .object([.init("key", key)])))
    }

    private func transaction(expecting: StoredValue?, _ change: JSONValue.Member) -> [UInt8] {
        var comparisons = [comparison("MOD", "mod_revision", .string(String(expecting?.revision ?? 0)))]
        if let expecting {
            comparisons.append(comparison("VALUE", "value", .string(EtcdBase64.encode(expecting.bytes))))
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
