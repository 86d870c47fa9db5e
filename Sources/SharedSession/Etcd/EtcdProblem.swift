import Support
import Upstream

/// The meaning of an answer that is not a success. Known messages of etcd are replaced by Squire's own words; of all
/// others only the status and the code are repeated.
public struct EtcdProblem: Equatable, Sendable {
    /// What a write may have done, and how to go on.
    public enum Effect: Equatable, Sendable {
        /// Nothing was done. A new token may help.
        case staleToken
        /// Nothing was done, and no other member would do it.
        case refused
        /// Nothing was done, but another member may do it.
        case elsewhere
        /// Nothing was done. The cluster has authentication switched off.
        case withoutAuthentication
        /// It may have been done, or may still be.
        case unclear
    }

    public var effect: Effect
    public var failure: SharedStoreFailure

    private init(_ effect: Effect, _ kind: SharedStoreFailure.Kind, _ detail: String, _ advice: String? = nil) {
        self.effect = effect
        failure = SharedStoreFailure(kind, detail, advice: advice)
    }

    init(_ effect: Effect, _ failure: SharedStoreFailure) {
        self.effect = effect
        self.failure = failure
    }

    /// Of a response with a status other than 200, or, with status 0, of a watch's line with the member `error`.
    public init(status: Int, body: [UInt8]) {
        let answer = ErrorAnswer(body)
        if let known = Self.known(answer.text, answer.code) {
            self = known
            return
        }
        let number = answer.code.map { " (code \($0))" } ?? ""
        switch status {
        case 401: self = Self.staleToken
        case 403: self = Self.forbidden
        case 404: self = Self.noGateway
        case 400, 405, 411, 412, 413, 414, 415, 431:
            self.init(.refused, .configuration, "etcd refused the request with status \(status)\(number)")
        case 200...399:
            self.init(.unclear, .damaged, "the answer with status \(status) is none of etcd's")
        case 0: self.init(.unclear, .unavailable, "etcd ended the watch\(number)")
        default: self.init(.unclear, .unavailable, "etcd cannot serve now: status \(status)\(number)")
        }
    }

    /// Of a watch's `cancel_reason`.
    public init(text: String) {
        self =
            Self.known(text, nil)
            ?? EtcdProblem(.unclear, .unavailable, "etcd canceled the watch without a reason that is known")
    }

    /// Of a request without a complete response.
    init(_ failure: BlockingRequest.Failure, at endpoint: String) {
        let (effect, error): (Effect, UpstreamError) =
            switch failure {
            case .notSent(let error): (.elsewhere, error)
            case .noResponse(let error, _): (.unclear, error)
            }
        if Self.certificateAlerts.contains(where: { error.detail.contains($0) }) {
            self.init(
                effect,
                .configuration,
                "\(endpoint) takes no connection without a client certificate that it knows: \(error.detail)",
                "Name one with certificate and key under tls of session.shared; it must have no Common Name."
            )
            self.failure.wantsCertificate = true
            return
        }
        let kind: SharedStoreFailure.Kind =
            switch error.kind {
            case .tls, .configuration: .configuration
            case .unresolvable, .unreachable, .refusedByProxy, .timeout, .reset, .handshakeCut: .unreachable
            }
        self.init(effect, kind, "\(endpoint) does not answer: \(error.detail)", error.advice)
    }

    /// OpenSSL's words for what a peer says that misses our certificate, or does not like it (RFC 8446 section 6.2); the
    /// last is libcurl's for the same in a handshake of TLS 1.2.
    private static let certificateAlerts = [
        "certificate required", "bad certificate", "handshake failure", "alert certificate expired",
        "alert certificate unknown", "alert certificate revoked", "alert unsupported certificate", "alert unknown ca",
        "SSL certificate verification failed",
    ]

    /// The same problem. If the role lacks a permission, the advice names the prefix of `key`.
    func naming(_ key: String) -> EtcdProblem {
        guard self == Self.forbidden, let end = key.ranges(of: "/v1/session/").last?.lowerBound else { return self }
        return Self.forbidden(key[...end])
    }

    /// The same problem, for a client that names no user. etcd takes any client with a certificate for the gateway
    /// itself, which has no role. So "permission denied" means that the user is missing, not the role.
    var withoutUser: EtcdProblem { self == Self.forbidden ? Self.userIsMissing : self }

    static let damaged = EtcdProblem(.unclear, .damaged, "the answer is none that etcd gives")

    private static let staleToken = EtcdProblem(
        .staleToken,
        .denied,
        "etcd does not take the token that it gave",
        "Is this one cluster, and has the user its role still?"
    )
    private static let userIsMissing = EtcdProblem(
        .staleToken,
        .denied,
        "etcd wants a user and a password",
        "Set user and password of session.shared."
    )
    private static let forbidden = forbidden("squire/")

    private static func forbidden(_ prefix: Substring) -> EtcdProblem {
        EtcdProblem(
            .refused,
            .denied,
            "the etcd user may not read or write the key",
            "Its role needs READWRITE on the prefix: etcdctl role grant-permission ROLE --prefix=true readwrite \(prefix)"
        )
    }

    private static let noGateway = EtcdProblem(
        .elsewhere,
        .configuration,
        "there is no JSON gateway at this address",
        "An etcd that has a configuration file needs enable-grpc-gateway: true in it."
    )

    /// The meaning of messages of etcd 3.4 to 3.6. Codes are gRPC's.
    private static func known(_ text: String, _ code: Int64?) -> EtcdProblem? {
        func says(_ parts: String...) -> Bool { parts.contains { text.contains($0) } }
        if says("CommonName of client sending a request against gateway") {
            return EtcdProblem(
                .refused,
                .configuration,
                "the client certificate has a Common Name, and etcd's JSON gateway refuses these",
                "Use one whose Common Name is empty, with the identity in O or a SAN. etcdctl works with both."
            )
        }
        if says("user name is empty") { return userIsMissing }
        if says("invalid auth token", "revision of auth store is old", "revision in header is old") || code == 16 {
            return staleToken
        }
        if says("invalid user ID or password") {
            return EtcdProblem(
                .refused,
                .denied,
                "etcd does not know the user with this password",
                "Look at user and password of session.shared; etcdctl user passwd NAME sets another."
            )
        }
        if says("permission denied") || code == 7 { return forbidden }
        if says("authentication is not enabled") {
            return EtcdProblem(
                .withoutAuthentication,
                .configuration,
                "this etcd has no authentication switched on",
                "Switch it on: etcdctl auth enable."
            )
        }
        if says("request is too large") {
            return EtcdProblem(
                .refused,
                .configuration,
                "the value is larger than this etcd takes",
                "Give its members a larger --max-request-bytes: the value has 64 KiB at most."
            )
        }
        if says("database space exceeded") {
            return EtcdProblem(
                .refused,
                .unavailable,
                "etcd's database is full (alarm NOSPACE)",
                "Make room: etcdctl compact REVISION, etcdctl defrag --cluster, then etcdctl alarm disarm."
            )
        }
        if says("HTTP request to an HTTPS server") {
            return EtcdProblem(.elsewhere, .configuration, "this address speaks TLS", "Write it with https://.")
        }
        if says("404 page not found") { return noGateway }
        if says("request timed out", "leader changed", "no leader", "context deadline exceeded", "server stopped") {
            return EtcdProblem(
                .unclear,
                .unavailable,
                "etcd has no leader or no quorum at the moment",
                "If that stays, members are missing: etcdctl endpoint health --cluster shows which. Start them."
            )
        }
        return nil
    }
}

/// The message and the code of an answer, wherever this version of etcd puts them.
private struct ErrorAnswer {
    /// How much of a plain-text answer is examined, in octets.
    private static let maxTextBytes = 1024

    var text: String
    var code: Int64?

    init(_ body: [UInt8]) {
        guard let answer = JSONValue(parsing: body) else {
            text = String(decoding: body.prefix(Self.maxTextBytes), as: UTF8.self)
            return
        }
        // `error` is a string beside `code`, on streams an object, and absent since version 2 of the gateway.
        switch answer["error"] {
        case .object?:
            let error = answer["error"]
            text = error?["message"]?.string ?? ""
            code = EtcdAnswers.number(error?["grpc_code"]) ?? EtcdAnswers.number(error?["code"])
        case .string(let sentence)?:
            text = sentence
            code = EtcdAnswers.number(answer["code"])
        default:
            text = answer["message"]?.string ?? ""
            code = EtcdAnswers.number(answer["code"])
        }
    }
}
