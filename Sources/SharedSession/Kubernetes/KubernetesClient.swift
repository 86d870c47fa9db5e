import Platform
import Threads
import Upstream

/// The client of an API server, for one Secret.
///
/// *Threading*: `read` and `swap` block and are called from one thread. The rest is called from any thread.
final class KubernetesClient: StoreClient {
    /// A Secret has at most 1 MiB, which base64 makes a third longer.
    private static let maxAnswerBytes = StoreLines.maxLineBytes
    private static let maxTokenBytes = 64 * 1024
    /// The longest pause that a server can ask for, in seconds.
    private static let longestPause = 30

    private let options: KubernetesOptions
    private let observe: @Sendable (KubernetesNotice) -> Void
    private let requests: KubernetesRequests
    private let answers: KubernetesAnswers
    private let state = Guarded(State())
    let stream = StreamSwitch()

    private struct State: Sendable {
        var isStopped = false
        /// Nothing is sent before that time of `MonotonicClock`, in nanoseconds, for that reason.
        var quiet: (until: UInt64, because: SharedStoreFailure)?
        /// The `uid` of the Secret at the last read.
        var uid: String?
    }

    private enum Answer {
        case body([UInt8])
        case problem(KubernetesProblem)
    }

    /// Nil if the names are not valid for a namespace and a Secret.
    init?(_ options: KubernetesOptions, observe: @escaping @Sendable (KubernetesNotice) -> Void) {
        guard KubernetesOptions.isNamespaceName(options.namespace), KubernetesOptions.isSecretName(options.secret)
        else { return nil }
        self.options = options
        self.observe = observe
        requests = KubernetesRequests(namespace: options.namespace, secret: options.secret)
        answers = KubernetesAnswers(secret: options.secret)
    }

    var name: String { "kubernetes" }
    var member: String? { nil }
    var requestTimeout: Duration { options.requestTimeout }
    var readInterval: Duration { options.readInterval }
    var streams: StreamLifetime { .leased }

    func stop() {
        state.with { $0.isStopped = true }
        stream.close()
    }

    // MARK: Reading and writing

    func read() -> Result<StoreReading, SharedStoreFailure> {
        list().map { StoreReading(value: $0.secret?.value, position: .token($0.resourceVersion)) }
    }

    func swap(expecting: StoredValue?, with bytes: [UInt8]) -> SwapOutcome {
        guard bytes.count <= KubernetesRequests.maxValueBytes else {
            return .failed(SharedStoreFailure(.configuration, "the value is larger than what is shared"))
        }
        guard let expecting else { return create(bytes) }
        guard let revision = KubernetesRevision(expecting.revision) else { return Self.foreign }
        return outcome(of: .patch, requests.replace(revision, expecting.bytes, by: bytes), expecting, bytes)
    }

    func remove(expecting: StoredValue) -> SwapOutcome {
        guard let revision = KubernetesRevision(expecting.revision) else { return Self.foreign }
        return outcome(of: .patch, requests.remove(revision, expecting.bytes), expecting, nil)
    }

    /// Writes another value without effect: a patch whose tests fail would be rejected before the server has examined
    /// whether it would accept a value.
    func probe(_ value: StoredValue) -> SwapOutcome {
        guard let revision = KubernetesRevision(value.revision) else { return Self.foreign }
        let bytes = value.bytes + [0x20]
        switch outcome(of: .probe, requests.replace(revision, value.bytes, by: bytes), value, bytes) {
        case .written: return .conflict(value)
        case let other: return other
        }
    }

    private static let foreign = SwapOutcome.failed(
        SharedStoreFailure(.damaged, "the value that is expected is none of a Secret")
    )

    /// Reads first, because somebody may have created the Secret beforehand, without a value.
    private func create(_ bytes: [UInt8]) -> SwapOutcome {
        switch list() {
        case .failure(let failure): .failed(failure)
        case .success(let listing):
            switch listing.secret {
            case nil: outcome(of: .create, requests.create(bytes), nil, bytes)
            case let secret? where secret.value == nil:
                outcome(of: .patch, requests.fill(secret, with: bytes), nil, bytes)
            case let secret?: .conflict(secret.value)
            }
        }
    }

    private func outcome(
        of call: KubernetesProblem.Call,
        _ body: [UInt8],
        _ expected: StoredValue?,
        _ bytes: [UInt8]?
    ) -> SwapOutcome {
        let problem: KubernetesProblem
        switch ask(call, body) {
        case .body(let body):
            // The answer must contain the value as it was sent: an admission webhook may have changed it.
            if let secret = answers.written(body), secret.value?.bytes == bytes {
                return .written(revision: secret.revision.revision)
            }
            problem = .damaged
        case .problem(let other): problem = other
        }
        switch problem.effect {
        case .staleToken, .refused: return .failed(problem.failure)
        case .unclear: return .unclear(problem.failure)
        case .mismatch:
            switch list() {
            case .failure(let failure): return .failed(failure)
            case .success(let listing):
                let value = listing.secret?.value
                return value == expected ? .failed(problem.failure) : .conflict(value)
            }
        }
    }

    private func list() -> Result<KubernetesListing, SharedStoreFailure> {
        switch ask(.list, nil) {
        case .problem(let problem): return .failure(problem.failure)
        case .body(let body):
            guard let listing = answers.listing(body) else { return .failure(KubernetesProblem.damaged.failure) }
            if let uid = listing.secret?.revision.uid { record(uid) }
            return .success(listing)
        }
    }

    private func record(_ uid: String) {
        let former = state.with { state in
            defer { state.uid = uid }
            return state.uid
        }
        if let former, former != uid { observe(.secretReplaced(from: former, to: uid)) }
    }

    // MARK: Watching

    func watch(after position: StorePosition) -> Result<StoreStream, SharedStoreFailure> {
        guard case .token(let resourceVersion) = position else {
            return .failure(SharedStoreFailure(.damaged, "the position is none of the Kubernetes API's"))
        }
        return bearer().map { token in
            var request = request(.watch, requests.watch(after: resourceVersion), nil, token)
            request.timeout = .seconds(24 * 86400)
            return StoreStream(endpoint: options.server, request: request, settings: settings)
        }
    }

    func line(_ bytes: [UInt8], at endpoint: String) -> StoreWatchLine { answers.line(bytes) }

    func failure(
        _ end: BlockingRequest.Outcome,
        at endpoint: String
    ) -> SharedStoreFailure {
        switch end {
        case .failure(let reason): KubernetesProblem(reason, at: endpoint).failure
        case .success(let response) where response.status == 200:
            SharedStoreFailure(.unavailable, "\(endpoint) ended the watch, as it does now and then")
        case .success(let response): pause(after: KubernetesProblem(response, call: .watch)).failure
        }
    }

    func watchEnded(at endpoint: String, _ failure: SharedStoreFailure) { observe(.watchEnded(failure)) }

    // MARK: One request

    /// Asks once. If the server does not accept the token, asks again if the file contains another one by then.
    private func ask(_ call: KubernetesProblem.Call, _ body: [UInt8]?) -> Answer {
        switch bearer() {
        case .failure(let failure): return .problem(KubernetesProblem(.refused, failure))
        case .success(let token):
            let answer = send(call, body, token)
            guard case .problem(let problem) = answer, problem.effect == .staleToken else { return answer }
            guard case .success(let newer) = bearer(), newer != token else {
                return .problem(problem.naming(tokenFile: options.tokenFile))
            }
            return send(call, body, newer)
        }
    }

    private func send(_ call: KubernetesProblem.Call, _ body: [UInt8]?, _ token: String?) -> Answer {
        let now = MonotonicClock.now()
        let (isStopped, quiet) = state.with { ($0.isStopped, $0.quiet) }
        if isStopped { return .problem(KubernetesProblem(.refused, .stopped)) }
        if let quiet, now < quiet.until { return .problem(KubernetesProblem(.refused, quiet.because)) }
        do throws(BlockingRequest.Failure) {
            let path =
                switch call {
                case .list, .watch: requests.list
                case .create: requests.collection
                case .patch: requests.object
                case .probe: requests.dryRun
                }
            let response = try request(call, path, body, token).perform(settings)
            guard response.status == 200 || response.status == 201 else {
                return .problem(pause(after: KubernetesProblem(response, call: call)))
            }
            return .body(response.body)
        } catch {
            return .problem(KubernetesProblem(error, at: options.server))
        }
    }

    /// Begins the pause that the server asked for, if it did.
    private func pause(after problem: KubernetesProblem) -> KubernetesProblem {
        if let seconds = problem.pause {
            let pause = Duration.seconds(min(seconds, Self.longestPause))
            let end = MonotonicClock.now().adding(saturating: pause.nanoseconds)
            state.with { $0.quiet = (max($0.quiet?.until ?? 0, end), problem.failure) }
        }
        return problem
    }

    private func request(
        _ call: KubernetesProblem.Call,
        _ path: String,
        _ body: [UInt8]?,
        _ token: String?
    ) -> BlockingRequest {
        let (method, type): (String, String?) =
            switch call {
            case .list, .watch: ("GET", nil)
            case .create: ("POST", "application/json")
            case .patch, .probe: ("PATCH", "application/json-patch+json")
            }
        var fields = [("Accept", "application/json"), ("User-Agent", "squire")]
        if let type { fields.append(("Content-Type", type)) }
        if let token { fields.append(("Authorization", "Bearer \(token)")) }
        var request = BlockingRequest(
            method: method,
            url: options.server + path,
            fields: fields,
            body: body,
            timeout: options.requestTimeout
        )
        request.maximumResponseBytes = Self.maxAnswerBytes
        return request
    }

    /// The token that the file contains now; nil without a token file.
    private func bearer() -> Result<String?, SharedStoreFailure> {
        guard let path = options.tokenFile else { return .success(nil) }
        do throws(NamedFile.Problem) {
            let bytes = try NamedFile.read(path, limit: Self.maxTokenBytes)
            let token = bytes.reversed().drop { $0 == 0x0A || $0 == 0x0D || $0 == 0x20 }.reversed()
            guard !token.isEmpty, token.allSatisfy({ 0x21...0x7E ~= $0 }) else {
                return .failure(SharedStoreFailure(.configuration, "\(path) holds no token: it is one line of ASCII"))
            }
            return .success(String(decoding: Array(token), as: UTF8.self))
        } catch {
            return .failure(SharedStoreFailure(.configuration, "the token cannot be read: \(path): \(error.text)"))
        }
    }

    private var settings: UpstreamSettings {
        UpstreamSettings(
            origin: options.server,
            connectTimeout: options.requestTimeout,
            proxy: options.proxy,
            authorities: options.authorities,
            certificate: options.certificate,
            key: options.privateKey
        )
    }
}
