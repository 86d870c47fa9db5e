import Credentials
import Diagnosis
import ReverseProxy
import Settings
import SharedSession
import TokenSources

/// What one configuration says about a shared session: the engine, the sealing keys, and the durations of the protocol.
struct SharedEngine: Sendable {
    let configuration: SharedConfiguration
    let keys: SharedKeyFile
    let seal: SharedSeal
    let timing: SharedTiming
    private let place: ConfigurationError.Place
    private let readSecret: @Sendable (SecretReference) -> Result<String, SecretProblem>

    /// Nil if no session is shared. Reads the key file.
    init?(_ loaded: LoadedConfiguration) throws(ConfigurationError) {
        guard let shared = loaded.configuration.session.shared else { return nil }
        configuration = shared
        place = loaded.sharedPlace
        readSecret = { [reader = loaded.secretReader] in reader.read($0) }
        do throws(SharedKeyFile.Problem) {
            keys = try SharedKeyFile.load(shared.keyFile)
        } catch {
            throw place.error("session.shared.key: \(shared.keyFile) \(error.text)")
        }
        seal = SharedSeal(name: shared.name, place: shared.place, keys)
        timing = SharedTiming(
            takeover: shared.takeover,
            retriesLost: loaded.configuration.session.retriesLost
        )
    }

    /// Makes a new store, which the caller must stop. `observe` receives events for people, on the store's threads.
    func store(
        observe: @escaping @Sendable (SharedNews) -> Void = { _ in }
    ) throws(ConfigurationError) -> any ManagedStore {
        switch configuration.engine {
        case .etcd(let etcd):
            let store = EngineStore(options(etcd)) { notice in
                switch notice {
                case .clusterChanged(let from, let to): observe(.engineReplaced(from: from, to: to))
                case .otherCluster(let mistake): observe(.misconfigured(mistake))
                // Where these matter, they become failures.
                case .authenticated, .authenticationIsOff, .left, .watchEnded: break
                }
            }
            guard let store else {
                throw place.error("session.shared.etcd names no member")
            }
            return store
        case .kubernetes(let kubernetes):
            let store = EngineStore(options(kubernetes)) { notice in
                if case .secretReplaced(let from, let to) = notice { observe(.engineReplaced(from: from, to: to)) }
            }
            guard let store else {
                throw place.error("session.shared.kubernetes names no Secret")
            }
            return store
        }
    }

    /// Shares the session of this configuration, starting when that is first needed. `observe` receives events for
    /// people, on the runner's threads.
    func runner(
        _ loaded: LoadedConfiguration,
        observe: @escaping @Sendable (SharedNews) -> Void
    ) throws(ConfigurationError) -> SharedRunner {
        let options = SharedRunner.Options(
            engine: configuration.engine.name,
            name: configuration.name,
            place: configuration.place,
            seal: seal,
            keyFile: configuration.keyFile,
            origin: loaded.binding.origin,
            timing: timing
        )
        return SharedRunner(try store(observe: observe), options, observe: observe)
    }

    /// The client certificate that the engine is shown; nil if there is none that can be read.
    var clientCertificate: ClientCertificate? {
        let tls =
            switch configuration.engine {
            case .etcd(let etcd): etcd.tls
            case .kubernetes(let kubernetes): kubernetes.tls
            }
        guard let path = tls.certificate, let certificate = ConnectionCheck.certificates(path).first else { return nil }
        return ClientCertificate(path: path, certificate)
    }

    func options(_ kubernetes: SharedConfiguration.Kubernetes) -> KubernetesOptions {
        var options = KubernetesOptions(
            server: kubernetes.server.description,
            namespace: kubernetes.namespace,
            secret: kubernetes.secret,
            tokenFile: kubernetes.tokenFile
        )
        options.authorities = kubernetes.tls.authorities
        options.certificate = kubernetes.tls.certificate
        options.privateKey = kubernetes.tls.key
        return options
    }

    /// How to reach this etcd. The password is read for each authentication, because it may change.
    func options(_ etcd: SharedConfiguration.Etcd) -> EtcdOptions {
        var options = EtcdOptions(endpoints: etcd.endpoints.map(\.description), key: configuration.place)
        options.authorities = etcd.tls.authorities
        options.certificate = etcd.tls.certificate
        options.privateKey = etcd.tls.key
        options.user = etcd.user.map { user in
            EtcdOptions.User(name: user.name) { [readSecret] in
                readSecret(user.password.reference).mapError { problem in
                    switch problem {
                    case .configuration(let text):
                        SharedStoreFailure(.configuration, "session.shared.password \(text)")
                    case .passing(let text): SharedStoreFailure(.unavailable, "session.shared.password \(text)")
                    }
                }
            }
        }
        return options
    }
}

extension ConfigurationError {
    /// The origin of a mistake that is found only after the configuration was read.
    struct Place: Sendable {
        var source: String
        var line: Int?

        var description: String { line.map { "\(source):\($0)" } ?? source }

        func error(_ message: String) -> ConfigurationError {
            ConfigurationError([.init(source: source, line: line, message: message)])
        }
    }
}

extension LoadedConfiguration {
    /// The line of `session.shared` in the file.
    var sharedPlace: ConfigurationError.Place {
        .init(source: path ?? "squire", line: guardedKeys.first { $0.name == "session.shared" }?.line)
    }
}
