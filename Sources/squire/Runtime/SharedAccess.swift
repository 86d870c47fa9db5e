import Credentials
import Diagnosis
import ReverseProxy
import Settings
import SharedSession
import Threads

/// The shared session as `squire shared` has it: what the engine keeps, read and written by hand.
///
/// *Threading*: blocks for the engine, whose answers come on the store's threads.
struct SharedAccess {
    let loaded: LoadedConfiguration
    let engine: SharedEngine
    private let store: any ManagedStore

    /// Needs no session and no login. Ends with `stop`.
    init(_ options: ConfigOption) throws {
        // The password is read by the store, each time.
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

    /// What the engine has, as it is and as it reads.
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

    /// Why the engine would not write where it has `value`; nil if it would. Nothing is written: what is expected was
    /// never there.
    func writing(_ value: StoredValue) -> SharedStoreFailure? {
        switch Latch.awaiting({ store.swap(expecting: .neverStored(value.revision), with: value.bytes, $0) }) {
        case .written, .conflict: return nil
        case .unclear(let failure), .failed(let failure): return failure
        }
    }

    /// What this machine did that the others do not know, as its session file says.
    var unshared: SharedStatus.Unshared.What? {
        (try? SessionFile(path: loaded.sessionFile).load())?.record.unshared
    }

    /// What this machine would put back.
    var localStory: String {
        guard let record = try? SessionFile(path: loaded.sessionFile).load()?.record, !record.isEmpty,
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
    /// Of a record that this machine can neither use nor replace.
    init(_ problem: SharedReport.Problem) {
        self.init(code: problem.fault.rawValue, message: "squire: \(problem.text)")
    }

    /// Of an engine that did not do what it was asked for.
    init(_ failure: SharedStoreFailure) {
        let text = "squire: \(failure.detail). \(failure.advice)"
        switch failure.kind {
        case .denied, .configuration: self = .configuration(text)
        case .unreachable, .unavailable, .damaged, .stopped: self = .unreachable(text)
        }
    }
}
