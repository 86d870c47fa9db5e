public import Support
import Upstream

/// The meaning of an answer that is not a success. Only the machine-readable parts of the server's answer are examined
/// and repeated, because its messages may quote what was sent.
public struct KubernetesProblem: Equatable, Sendable {
    /// What a write may have done, and how to go on.
    public enum Effect: Equatable, Sendable {
        /// Nothing was done. A new token may help.
        case staleToken
        /// Nothing was done, and nothing would be.
        case refused
        /// Nothing was done: the Secret is not the expected one, or the server rejects the new one. A read tells which.
        case mismatch
        /// It may have been done, or may still be.
        case unclear
    }

    /// The request.
    public enum Call: String, CaseIterable, Sendable {
        case list, watch, create, patch
        /// A patch without effect.
        case probe

        /// The verb, as roles name it.
        var verb: String { self == .probe ? Call.patch.rawValue : rawValue }
    }

    public var effect: Effect
    public var failure: SharedStoreFailure
    /// For how many seconds the server wants no request.
    public var pause: Int?

    private init(_ effect: Effect, _ kind: SharedStoreFailure.Kind, _ detail: String, _ advice: String? = nil) {
        self.effect = effect
        failure = SharedStoreFailure(kind, detail, advice: advice)
    }

    init(_ effect: Effect, _ failure: SharedStoreFailure) {
        self.effect = effect
        self.failure = failure
    }

    /// Of a response with a status other than 200 and 201.
    init(_ response: BlockingRequest.Response, call: Call) {
        self.init(status: response.status, JSONValue(parsing: response.body) ?? .null, call: call)
        // An overloaded server names the pause in both places, a proxy before it only in the field.
        if response.status == 429, let seconds = response["Retry-After"].flatMap({ Int($0) }), seconds > 0 {
            pause = seconds
        }
    }

    /// Of a `Status` object, which a stream may contain in place of a response.
    public init(status: Int, _ object: JSONValue, call: Call) {
        let reason = Self.word(object["reason"]?.string)
        let shown = reason.map { " (\($0))" } ?? ""
        switch status {
        case 401:
            self.init(
                .staleToken,
                .denied,
                "the API server does not know who we are",
                "Is the token of this cluster, and not expired? A client certificate must be signed by its authority."
            )
        case 403: self = Self.forbidden(call, isTerminating: Self.causes(object).contains("NamespaceTerminating"))
        case 404 where [.patch, .probe].contains(call) && reason == "NotFound":
            self.init(.mismatch, .unavailable, "the Secret is not there any more")
        case 404 where call == .create && object["details"]?["kind"] == .string("namespaces"):
            self.init(.refused, .configuration, "there is no such namespace", "Make it, or give another one.")
        case 404:
            self.init(
                .refused,
                .configuration,
                "there is no Kubernetes API at this address",
                "Is the URL right? kubectl cluster-info shows it."
            )
        case 409:
            self.init(
                .mismatch,
                .unavailable,
                "others write the Secret all the time\(shown)",
                "kubectl get secret NAME -o yaml --show-managed-fields names who writes it: nobody but Squire should."
            )
        case 422:
            self.init(
                .mismatch,
                .configuration,
                "the API server does not take the new value: status 422\(shown)",
                "Is the Secret immutable? kubectl get secret shows it: then delete it, and let it be made anew."
            )
        case 429:
            self.init(
                .refused,
                .unavailable,
                "the API server has too much to do\(shown)",
                "It is asked less often by itself until that passes."
            )
            pause = object["details"]?["retryAfterSeconds"]?.integer.flatMap { $0 > 0 ? $0 : nil }
        case 413:
            self.init(
                .refused,
                .configuration,
                "the API server, or a proxy before it, does not take a request of this size: status 413",
                "Raise that limit: a request, with the former record and the new one, has at most 180 KiB."
            )
        // A webhook that cannot do without effects. What it would say of a real write is not known.
        case 400 where call == .probe:
            self.init(.unclear, .configuration, "the API server does not examine a write without effect\(shown)")
        case 400, 405, 406, 411, 414, 415, 431:
            self.init(.refused, .configuration, "the API server refused the request with status \(status)\(shown)")
        case 500:
            self.init(
                .unclear,
                .unavailable,
                "the API server cannot serve now: status 500\(shown)",
                "If that stays, look at its log, and at the webhooks that it asks about secrets: "
                    + "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"
            )
        case 408, 501...599:
            self.init(.unclear, .unavailable, "the API server cannot serve now: status \(status)\(shown)")
        case 0, 410: self.init(.unclear, .unavailable, "the API server ended the watch\(shown)")
        default:
            self.init(
                .unclear,
                .damaged,
                "the answer with status \(status) is none of the Kubernetes API's"
            )
        }
    }

    /// Of a request without a complete response.
    init(_ failure: BlockingRequest.Failure, at server: String) {
        let (effect, error): (Effect, UpstreamError) =
            switch failure {
            case .notSent(let error): (.refused, error)
            case .noResponse(let error): (.unclear, error)
            }
        let kind: SharedStoreFailure.Kind =
            switch error.kind {
            case .tls, .configuration: .configuration
            case .unresolvable, .unreachable, .refusedByProxy, .timeout, .reset, .handshakeCut: .unreachable
            }
        self.init(effect, kind, "\(server) does not answer: \(error.detail)", error.advice)
    }

    /// Names the file whose token the server does not accept.
    func naming(tokenFile: String?) -> KubernetesProblem {
        guard let tokenFile else { return self }
        var other = self
        other.failure.advice =
            "Is the token in \(tokenFile) of this cluster, and not expired? The file is read again for each request."
        return other
    }

    static let damaged = KubernetesProblem(
        .unclear,
        .damaged,
        "the answer is none that the Kubernetes API gives"
    )

    private static func forbidden(_ call: Call, isTerminating: Bool) -> KubernetesProblem {
        if isTerminating {
            return KubernetesProblem(
                .refused,
                .unavailable,
                "the namespace is being deleted",
                "Give session.shared another one: kubernetes.namespace."
            )
        }
        let detail = "the service account may not \(call.verb) the Secret, or a quota or a policy forbids it"
        let advice =
            call == .create
            ? "Make the Secret beforehand (kubectl create secret generic NAME), or grant create on secrets: "
                + "that cannot be limited to one name."
            : "Grant a Role with list, watch and patch on secrets, limited to this one by resourceNames."
        return KubernetesProblem(.refused, .denied, detail, advice)
    }

    private static func causes(_ object: JSONValue) -> [String] {
        guard case .array(let causes)? = object["details"]?["causes"] else { return [] }
        return causes.compactMap { $0["reason"]?.string }
    }

    /// `text` if it is one word, as reasons are. Nothing else is repeated.
    private static func word(_ text: String?) -> String? {
        guard let text, (1...40).contains(text.utf8.count) else { return nil }
        let isWord = text.utf8.allSatisfy { 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 }
        return isWord ? text : nil
    }
}
