import Credentials
import Diagnosis
import ReverseProxy
import Settings
import SharedSession
import Threads

/// The access of `squire shared` to the engine: reads and writes the shared record.
///
/// *Threading*: blocks the caller's thread while the store's threads work.
struct SharedAccess {
    let loaded: LoadedConfiguration
    let engine: SharedEngine
    private let store: any ManagedStore

    /// Needs no session and no login. Call `stop` at the end.
    init(_ options: ConfigOption) throws {
        // `look` does not read secrets. The store reads its password itself, for each authentication.
        let loaded = try options.load(.look)
        do throws(ConfigurationError) {
            guard let engine = try SharedEngine(loaded) else {
                throw ConfigurationError([
                    .init(
                        source: loaded.path ?? "squire",
                        message: "no session is shared: session.shared says which etcd keeps it"
                    )
                ])
            }
            try Loading.allow(loaded, Loading.loader(ConfigurationOverrides()))
            self.loaded = loaded
            self.engine = engine
            store = try engine.store()
        } catch {
            throw Loading.failure(error)
        }
    }

    func stop() { store.stop() }

    /// The engine's value, and what it means.
    func report() throws -> (stored: StoredValue?, report: SharedReport) {
        switch Latch.awaiting({ store.get($0) }) {
        case .success(let stored):
            let report = SharedReport(
                SharedReport.Session(engine, loaded),
                SharedValue(stored, engine.seal),
                revision: stored?.revision,
                member: store.member
            )
            return (stored, report)
        case .failure(let failure):
            throw ExitFailure(failure.naming(engine.clientCertificate, now: SystemClock().wall()))
        }
    }

    /// Why the engine would not write over `value`; nil if it would. Writes nothing.
    func writing(_ value: StoredValue) -> SharedStoreFailure? {
        switch Latch.awaiting({ store.probe(value, $0) }) {
        case .written, .conflict: return nil
        case .unclear(let failure), .failed(let failure): return failure
        }
    }

    /// What this machine did that the others do not know, according to its session file.
    var unshared: SharedStatus.Unshared.What? {
        (try? SessionFile(path: loaded.sessionFile).session())?.unshared
    }

    /// The session that this machine would put back, as a sentence.
    var localStory: String {
        guard let record = try? SessionFile(path: loaded.sessionFile).session(), !record.isEmpty,
            record.foreignOrigin(to: loaded.binding) == nil
        else {
            return "This machine holds none."
        }
        let subject = record.token?.claims?.subject.map(ControlCharacters.escaped)
        return "This machine holds one\(subject.map { ", of \($0)" } ?? "")."
    }

    func swap(expecting: StoredValue, with record: SharedRecord) -> SwapOutcome {
        Latch.awaiting { store.swap(expecting: expecting, with: record.bytes, $0) }
    }

    func remove(_ value: StoredValue) -> SwapOutcome {
        Latch.awaiting { store.remove(expecting: value, $0) }
    }
}

extension SharedReport.Session {
    init(_ engine: SharedEngine, _ loaded: LoadedConfiguration) {
        self.init(
            name: engine.configuration.name,
            engine: engine.configuration.engine.name,
            key: engine.configuration.place,
            keyFile: engine.configuration.keyFile,
            keys: engine.keys.keyIDs,
            origin: loaded.binding.origin,
            source: loaded.sharedPlace.description,
            login: loaded.lines.login,
            command: { [lines = loaded.lines] in lines.line($0) }
        )
    }
}

extension ExitFailure {
    /// For a record that this machine can neither use nor replace.
    init(_ problem: SharedReport.Problem) {
        self.init(code: problem.fault.rawValue, message: "squire: \(problem.text)")
    }

    /// For an engine that did not do what it was asked for.
    init(_ failure: SharedStoreFailure) {
        let text = "squire: \(failure.detail). \(failure.advice)"
        switch failure.kind {
        case .denied, .configuration: self = .configuration(text)
        case .unreachable, .unavailable, .damaged, .stopped: self = .unreachable(text)
        }
    }
}
