import Platform
import Support
import Threads
import Upstream

/// The client of an etcd cluster: it selects a member, authenticates, and decides what to try again.
///
/// *Threading*: `read` and `swap` block and are called from one thread, so that a process authenticates only once. The
/// rest is called from any thread.
final class EtcdClient: StoreClient {
    /// The time limit of an authentication. etcd computes a deliberately slow hash for each, and many machines may
    /// start at once.
    private static let authenticationTimeout = Duration.seconds(10)
    private static let maxAnswerBytes = 1 << 20

    let answers: EtcdAnswers
    let options: EtcdOptions
    let observe: @Sendable (EtcdNotice) -> Void
    private let requests: EtcdRequests
    private let state: Guarded<State>
    let stream = StreamSwitch()

    private struct State: Sendable {
        var endpoints: EtcdEndpoints
        var credential = Credential.unknown
        var clusters = EtcdClusters()
        /// The member that answered last.
        var member: String?
        var isStopped = false
    }

    private enum Credential: Sendable {
        case unknown
        case token(String)
        case notNeeded

        var token: String? {
            if case .token(let token) = self { token } else { nil }
        }
    }

    private enum Answer {
        /// With status 200; nil if it is no JSON.
        case said(JSONValue?)
        case problem(EtcdProblem)
    }

    /// Nil if `options` names no endpoint.
    init?(_ options: EtcdOptions, observe: @escaping @Sendable (EtcdNotice) -> Void) {
        guard let endpoints = EtcdEndpoints(options.endpoints) else { return nil }
        self.options = options
        self.observe = observe
        requests = EtcdRequests(key: options.key)
        answers = EtcdAnswers(key: options.key)
        state = Guarded(State(endpoints: endpoints))
    }

    /// Asks no other member, and sends nothing from now on.
    func stop() {
        state.with { $0.isStopped = true }
        stream.close()
    }

    /// The member that answered last.
    var member: String? { state.with { $0.member } }
    var name: String { "etcd" }
    var requestTimeout: Duration { options.requestTimeout }
    var readInterval: Duration { options.readInterval }
    var streams: StreamLifetime { .endless }

    func read() -> Result<StoreReading, SharedStoreFailure> {
        reading().map { StoreReading(value: $0.value, position: .number($0.revision)) }
    }

    /// Asks each member once at most.
    func reading() -> Result<EtcdReading, SharedStoreFailure> {
        var worst: SharedStoreFailure?
        var silent: [String] = []
        for _ in options.endpoints {
            guard let endpoint = current else { break }
            let problem: EtcdProblem
            switch ask("kv/range", requests.range, at: endpoint) {
            case .said(let answer):
                if let reading = answers.reading(answer) {
                    hasAnswered(endpoint)
                    return .success(reading)
                }
                problem = .damaged
            case .problem(let other): problem = other
            }
            switch problem.effect {
            case .staleToken, .refused, .withoutAuthentication: return .failure(problem.failure)
            case .elsewhere: skip(endpoint, problem.failure, &worst)
            case .unclear:
                silent.append(endpoint)
                skip(endpoint, problem.failure, &worst)
            }
        }
        discardStaleToken(silent)
        return .failure(worst ?? .stopped)
    }

    /// Discards the token if a healthy member left a request with it unanswered. After a restore, etcd holds back a
    /// request whose token is older, until its revision reaches that of the token. The next call authenticates again.
    private func discardStaleToken(_ silent: [String]) {
        guard state.with({ $0.credential.token != nil }), silent.contains(where: isHealthy) else { return }
        state.with { $0.credential = .unknown }
    }

    /// Whether the member reports a quorum. It answers this to any client that can connect.
    private func isHealthy(_ endpoint: String) -> Bool {
        guard current != nil else { return false }
        var request = BlockingRequest(
            method: "GET",
            url: "\(endpoint)/health",
            fields: [("Accept", "application/json"), ("User-Agent", "squire")],
            body: nil,
            timeout: options.requestTimeout
        )
        request.maximumResponseBytes = Self.maxAnswerBytes
        guard let response = try? request.perform(settings(endpoint)), response.status == 200 else { return false }
        return JSONValue(parsing: response.body)?["health"]?.string == "true"
    }

    func swap(expecting: StoredValue?, with bytes: [UInt8]) -> SwapOutcome {
        guard bytes.count <= EtcdRequests.maxValueBytes else {
            return .failed(SharedStoreFailure(.configuration, "the value is larger than what is shared"))
        }
        return write(requests.swap(expecting: expecting, with: bytes), .put)
    }

    func remove(expecting: StoredValue) -> SwapOutcome { write(requests.remove(expecting: expecting), .removal) }

    /// Asks another member only if nothing was sent. `body` is nil if the expected revision is not one of etcd's.
    private func write(_ body: [UInt8]?, _ change: EtcdAnswers.Change) -> SwapOutcome {
        guard let body else {
            return .failed(SharedStoreFailure(.damaged, "the value that is expected is none of etcd's"))
        }
        var worst: SharedStoreFailure?
        for _ in options.endpoints {
            guard let endpoint = current else { break }
            let problem: EtcdProblem
            switch ask("kv/txn", body, at: endpoint) {
            case .said(let answer):
                switch answers.swap(answer, change) {
                case .written(let revision)?: return .written(revision: StoreRevision(etcd: revision))
                case .conflict(let value)?: return .conflict(value)
                case nil: problem = .damaged
                }
            case .problem(let other): problem = other
            }
            switch problem.effect {
            case .staleToken, .refused, .withoutAuthentication: return .failed(problem.failure)
            case .elsewhere: skip(endpoint, problem.failure, &worst)
            case .unclear:
                skip(endpoint, problem.failure, &worst)
                return .unclear(problem.failure)
            }
        }
        return .failed(worst ?? .stopped)
    }

    // MARK: Watching

    /// A watch at the current member, with the token that the last read obtained.
    func watch(after position: StorePosition) -> Result<StoreStream, SharedStoreFailure> {
        guard case .number(let revision) = position else {
            return .failure(SharedStoreFailure(.damaged, "the position is none of etcd's"))
        }
        let (endpoint, token) = state.with { ($0.endpoints.current, $0.credential.token) }
        let body = requests.watch(from: revision.adding(saturating: 1))
        var request = request("watch", body, at: endpoint, token, .seconds(24 * 86400))
        request.maximumResponseBytes = StoreLines.maxLineBytes
        return .success(StoreStream(endpoint: endpoint, request: request, settings: settings(endpoint)))
    }

    func line(_ bytes: [UInt8], at endpoint: String) -> StoreWatchLine {
        let message = JSONValue(parsing: bytes)
        let cluster = EtcdAnswers.cluster(of: message?["result"])
        if let mistake = checkCluster(cluster, at: endpoint) { return .ended(mistake) }
        return StoreWatchLine(message, bytes, answers)
    }

    func failure(
        _ end: BlockingRequest.Outcome,
        at endpoint: String
    ) -> SharedStoreFailure {
        switch end {
        case .failure(let reason): EtcdProblem(reason, at: endpoint).failure
        case .success(let response) where response.status == 200:
            SharedStoreFailure(.unreachable, "\(endpoint) ended the watch")
        case .success(let response): EtcdProblem(status: response.status, body: response.body).failure
        }
    }

    /// Also selects the next member.
    func watchEnded(at endpoint: String, _ failure: SharedStoreFailure) {
        skip(endpoint)
        observe(.watchEnded(failure))
    }

    // MARK: Members

    /// The member to ask; nil after `stop`.
    private var current: String? { state.with { $0.isStopped ? nil : $0.endpoints.current } }

    /// Selects the next member.
    private func skip(_ endpoint: String) {
        state.with { $0.endpoints.skip(endpoint) }
    }

    private func skip(_ endpoint: String, _ failure: SharedStoreFailure, _ worst: inout SharedStoreFailure?) {
        skip(endpoint)
        if options.endpoints.count > 1 {
            // A member that does not answer a call does not report changes, either.
            stream.end(at: endpoint)
            observe(.left(endpoint: endpoint, failure))
        }
        // A member's complaint about the configuration says more than another one's silence. That a member belongs to
        // another cluster is reported separately.
        let mistake = misconfiguration
        if worst == nil || worst == mistake || failure.kind != .unreachable && failure != mistake { worst = failure }
    }

    private func hasAnswered(_ endpoint: String) {
        var random = SystemRandomNumberGenerator()
        state.with { state in
            state.member = endpoint
            state.endpoints.settle(using: &random)
        }
    }

    // MARK: Clusters

    var misconfiguration: SharedStoreFailure? { state.with { $0.clusters.mistake } }

    /// Asks each member that has not answered yet for its cluster. Needs no token. Blocks; call from any thread.
    func survey() {
        guard options.endpoints.count > 1 else { return }
        for endpoint in options.endpoints where current != nil && !state.with({ $0.clusters.isKnown(endpoint) }) {
            _ = send("maintenance/status", Array("{}".utf8), at: endpoint, options.requestTimeout)
        }
    }

    /// Records the cluster that a member's answer names, if it names one. Returns a failure if it is not the cluster of
    /// the others. The answer is ignored then, because what was done there has no effect here.
    private func checkCluster(_ cluster: String?, at endpoint: String) -> SharedStoreFailure? {
        guard let cluster else { return nil }
        let (verdict, isNews, mistake) = state.with { state in
            let wasForeign = state.clusters.isForeign(endpoint)
            let verdict = state.clusters.record(cluster, of: endpoint)
            return (verdict, !wasForeign, state.clusters.mistake)
        }
        switch verdict {
        case .ours: return nil
        case .replaced(let former):
            observe(.clusterChanged(from: former, to: cluster))
            return nil
        case .foreign:
            if isNews, let mistake { observe(.otherCluster(mistake)) }
            return mistake
        }
    }

    // MARK: One member

    /// Asks one member. If it does not accept the token, asks once more with a new one.
    private func ask(_ call: String, _ body: [UInt8], at endpoint: String) -> Answer {
        var hasNewToken = false
        if options.user != nil, case .unknown = state.with({ $0.credential }) {
            if let problem = authenticate(at: endpoint) { return .problem(problem) }
            hasNewToken = true
        }
        let answer = send(call, body, at: endpoint, options.requestTimeout)
        guard case .problem(let problem) = answer, problem.effect == .staleToken else { return answer }
        guard options.user != nil, !hasNewToken else { return answer }
        if let problem = authenticate(at: endpoint) { return .problem(problem) }
        return send(call, body, at: endpoint, options.requestTimeout)
    }

    /// Obtains a token. If that fails, nothing of the call that needs it has been sent.
    private func authenticate(at endpoint: String) -> EtcdProblem? {
        guard let user = options.user else { return nil }
        state.with { $0.credential = .unknown }
        let password: String
        switch user.password() {
        case .success(let text): password = text
        case .failure(let failure): return EtcdProblem(.refused, failure)
        }
        let body = EtcdRequests.authenticate(user: user.name, password: password)
        switch send("auth/authenticate", body, at: endpoint, max(Self.authenticationTimeout, options.requestTimeout)) {
        case .said(let answer):
            guard let token = EtcdAnswers.token(answer) else {
                return EtcdProblem(.elsewhere, EtcdProblem.damaged.failure)
            }
            state.with { $0.credential = .token(token) }
            observe(.authenticated(endpoint: endpoint))
            return nil
        case .problem(let problem) where problem.effect == .withoutAuthentication:
            state.with { $0.credential = .notNeeded }
            observe(.authenticationIsOff(endpoint: endpoint))
            return nil
        case .problem(let problem):
            return problem.effect == .unclear ? EtcdProblem(.elsewhere, problem.failure) : problem
        }
    }

    private func send(_ call: String, _ body: [UInt8], at endpoint: String, _ timeout: Duration) -> Answer {
        let token = call.hasPrefix("kv/") ? state.with { $0.credential.token } : nil
        do throws(BlockingRequest.Failure) {
            let response = try request(call, body, at: endpoint, token, timeout).perform(settings(endpoint))
            guard response.status == 200 else {
                // A member of another cluster knows neither our token nor our user.
                if let mistake = state.with({ $0.clusters.isForeign(endpoint) ? $0.clusters.mistake : nil }) {
                    return .problem(EtcdProblem(.elsewhere, mistake))
                }
                let problem = EtcdProblem(status: response.status, body: response.body)
                return .problem(options.user == nil ? problem.withoutUser : problem.naming(options.key))
            }
            let answer = JSONValue(parsing: response.body)
            if let mistake = checkCluster(EtcdAnswers.cluster(of: answer), at: endpoint) {
                return .problem(EtcdProblem(.elsewhere, mistake))
            }
            return .said(answer)
        } catch {
            return .problem(EtcdProblem(error, at: endpoint))
        }
    }

    private func request(
        _ call: String,
        _ body: [UInt8],
        at endpoint: String,
        _ token: String?,
        _ timeout: Duration
    ) -> BlockingRequest {
        // etcd expects the bare token, without "Bearer". From `Accept` etcd recognizes its gateway: without that field
        // and without a token, it would take the user from the gateway's own certificate.
        let authorization = token.map { [("Authorization", $0)] } ?? []
        var request = BlockingRequest(
            method: "POST",
            url: "\(endpoint)/v3/\(call)",
            fields: [("Content-Type", "application/json"), ("Accept", "application/json"), ("User-Agent", "squire")]
                + authorization,
            body: body,
            timeout: timeout
        )
        request.maximumResponseBytes = Self.maxAnswerBytes
        return request
    }

    private func settings(_ endpoint: String) -> UpstreamSettings {
        UpstreamSettings(
            origin: endpoint,
            connectTimeout: options.requestTimeout,
            proxy: options.proxy,
            authorities: options.authorities,
            certificate: options.certificate,
            key: options.privateKey
        )
    }
}
