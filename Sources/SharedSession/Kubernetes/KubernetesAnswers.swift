import Support

/// A Secret in the API server.
public struct KubernetesSecret: Equatable, Sendable {
    var revision: KubernetesRevision
    /// Nil if the Secret exists without a value, because somebody created it beforehand.
    public var value: StoredValue?
    /// Whether the Secret has the member `data`.
    var hasData: Bool
}

/// The result of a read.
public struct KubernetesListing: Equatable, Sendable {
    public var secret: KubernetesSecret?
    /// The position at which a watch continues.
    public var resourceVersion: String
}

/// Parses responses with status 200 or 201, and lines of a watch, that concern one Secret.
public struct KubernetesAnswers: Sendable {
    private let name: String

    public init(secret: String) {
        name = secret
    }

    /// Nil if `body` is not a list that contains at most this Secret.
    public func listing(_ body: [UInt8]) -> KubernetesListing? {
        guard let answer = JSONValue(parsing: body), answer["kind"] == .string("SecretList") else { return nil }
        guard let resourceVersion = answer["metadata"]?["resourceVersion"]?.string,
            KubernetesRevision.isText(resourceVersion)
        else { return nil }
        switch answer["items"] {
        case .array(let items)? where items.isEmpty: break
        case .array(let items)? where items.count == 1:
            guard let secret = secret(items[0]) else { return nil }
            return KubernetesListing(secret: secret, resourceVersion: resourceVersion)
        case .null?: break
        default: return nil
        }
        return KubernetesListing(secret: nil, resourceVersion: resourceVersion)
    }

    /// The Secret after a write. Nil if `body` is not this Secret.
    public func written(_ body: [UInt8]) -> KubernetesSecret? {
        guard let answer = JSONValue(parsing: body), answer["kind"] == .string("Secret") else { return nil }
        return secret(answer)
    }

    public func line(_ line: [UInt8]) -> StoreWatchLine {
        func damaged(_ detail: String) -> StoreWatchLine { .ended(SharedStoreFailure(.damaged, detail)) }
        guard let event = JSONValue(parsing: line), let object = event["object"], case .object = object else {
            return damaged("the watch sent a line that is no event")
        }
        switch event["type"]?.string {
        case "ADDED", "MODIFIED", "DELETED":
            guard let secret = secret(object) else { return damaged("the watch told of no Secret of ours") }
            let value = event["type"] == .string("DELETED") ? nil : secret.value
            return .changed(value, at: .token(secret.revision.resourceVersion))
        case "BOOKMARK": return .idle
        case "ERROR":
            let status = object["code"]?.integer ?? 0
            if status == 410 { return .forgotten }
            return .ended(KubernetesProblem(status: status, object, call: .watch).failure)
        default: return damaged("the watch sent an event of a kind that is not known")
        }
    }

    private func secret(_ object: JSONValue) -> KubernetesSecret? {
        guard let metadata = object["metadata"], metadata["name"] == .string(name) else { return nil }
        guard let uid = metadata["uid"]?.string, let resourceVersion = metadata["resourceVersion"]?.string,
            let revision = KubernetesRevision(uid: uid, resourceVersion: resourceVersion)
        else { return nil }
        let data = object["data"]
        switch data {
        case nil, .null?: return KubernetesSecret(revision: revision, value: nil, hasData: false)
        case .object?: break
        default: return nil
        }
        switch data?[KubernetesRequests.member] {
        case nil: return KubernetesSecret(revision: revision, value: nil, hasData: true)
        case .string(let text)?:
            guard let bytes = Base64.decode(text) else { return nil }
            let value = StoredValue(bytes: bytes, revision: revision.revision)
            return KubernetesSecret(revision: revision, value: value, hasData: true)
        default: return nil
        }
    }
}
