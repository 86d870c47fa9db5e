public import Support

/// The result of a read.
public struct EtcdReading: Equatable, Sendable {
    public var value: StoredValue?
    /// The engine's revision at the time of the read. Later revisions are higher, unless the engine was restored.
    public var revision: Int64
    public var cluster: String
}

/// Reads etcd's responses with status 200; nil stands for a body that is not JSON. The gateway omits members that are
/// zero, false or empty.
public struct EtcdAnswers: Sendable {
    private let key: [UInt8]

    public init(key: String) {
        self.key = Array(key.utf8)
    }

    /// Nil if `answer` is not the answer to a read of the key.
    public func reading(_ answer: JSONValue?) -> EtcdReading? {
        guard let answer, let (revision, cluster) = Self.header(answer) else { return nil }
        guard let content = content(ofRange: answer) else { return nil }
        return EtcdReading(value: content.stored, revision: revision, cluster: cluster)
    }

    public enum Swap: Equatable {
        case written(revision: Int64)
        case conflict(StoredValue?)
    }

    /// What a transaction does if the comparison holds.
    public enum Change: String {
        case put = "response_put"
        case removal = "response_delete_range"
    }

    /// Nil if `answer` is not the answer to a transaction on the key with that change.
    public func swap(_ answer: JSONValue?, _ change: Change = .put) -> Swap? {
        guard let answer, let (revision, _) = Self.header(answer) else { return nil }
        guard case .array(let responses)? = answer["responses"], responses.count == 1 else { return nil }
        switch answer["succeeded"] {
        case .bool(true)?:
            guard case .object? = responses[0][change.rawValue] else { return nil }
            return .written(revision: revision)
        case nil, .bool(false)?:
            guard let range = responses[0]["response_range"], case .object = range else { return nil }
            return content(ofRange: range).map { .conflict($0.stored) }
        default: return nil
        }
    }

    /// The token in the answer to `authenticate`. Nil if there is none, or if a field cannot carry it.
    public static func token(_ answer: JSONValue?) -> String? {
        guard let token = answer?["token"]?.string else { return nil }
        guard (1...8192).contains(token.utf8.count), token.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        return token
    }

    /// The value in a range. A wrapper, because an absent value is a valid answer.
    private struct Content {
        var stored: StoredValue?
    }

    /// Nil if the answer is damaged.
    private func content(ofRange range: JSONValue) -> Content? {
        switch range["kvs"] {
        case nil: return Content()
        case .array(let pairs)? where pairs.isEmpty: return Content()
        case .array(let pairs)? where pairs.count == 1: return stored(pairs[0]).map(Content.init)
        default: return nil
        }
    }

    /// Nil unless `pair` is the key with its value.
    func stored(_ pair: JSONValue) -> StoredValue? {
        guard isOfKey(pair), let number = Self.number(pair["mod_revision"]), number > 0 else { return nil }
        let revision = StoreRevision(etcd: number)
        switch pair["value"] {
        case nil: return StoredValue(bytes: [], revision: revision)
        case .string(let text)?:
            guard let bytes = Base64.decode(text) else { return nil }
            return StoredValue(bytes: bytes, revision: revision)
        default: return nil
        }
    }

    func isOfKey(_ pair: JSONValue) -> Bool {
        pair["key"]?.string.flatMap(Base64.decode) == key
    }

    /// A 64-bit number, which the gateway writes as a string. Nil if it is not a number, or is negative.
    static func number(_ value: JSONValue?) -> Int64? {
        let text: String
        switch value {
        case .string(let string)?: text = string
        case .number(let spelling)?: text = spelling
        default: return nil
        }
        guard let first = text.utf8.first, 0x30...0x39 ~= first else { return nil }
        return Int64(text)
    }

    /// The identifier of the answering cluster; nil if the answer does not contain it.
    static func cluster(of answer: JSONValue?) -> String? { answer?["header"]?["cluster_id"]?.string }

    private static func header(_ answer: JSONValue) -> (revision: Int64, cluster: String)? {
        guard let header = answer["header"], let revision = number(header["revision"]), revision > 0 else { return nil }
        guard let cluster = header["cluster_id"]?.string, UInt64(cluster) != nil else { return nil }
        return (revision, cluster)
    }
}
