import Credentials
import Diagnosis
import HTTP1
import ReverseProxy
import Settings
import SharedSession
import Threads

/// Examines the engine of a shared session for `squire check --online`. Changes nothing.
struct SharedCheck {
    private let loaded: LoadedConfiguration
    private let configuration: SharedConfiguration

    /// Nil if no session is shared.
    init?(_ loaded: LoadedConfiguration) {
        guard let shared = loaded.configuration.session.shared else { return nil }
        self.loaded = loaded
        configuration = shared
    }

    struct Findings {
        var lines: [CheckLine]
        /// Whether the engine has a session that this machine has not adopted yet, so that its own token does not
        /// matter.
        var isBehind = false
    }

    /// The verdicts on the engine's members and on the record. Blocks while it contacts them.
    func findings() -> Findings {
        let engine: SharedEngine
        do throws(ConfigurationError) {
            guard let made = try SharedEngine(loaded) else { return Findings(lines: []) }
            engine = made
        } catch {
            return Findings(lines: [CheckLine(.fail(.misconfigured), "shared", error.description)])
        }
        let session = SharedReport.Session(engine, loaded)
        switch configuration.engine {
        case .etcd(let etcd):
            let loopback = etcd.endpoints.filter(\.authority.isLoopback).map(\.description)
            let diagnosis = SharedDiagnosis(session, hasUser: etcd.user != nil, loopback: Set(loopback))
            let (shown, now) = (engine.clientCertificate, SystemClock().wall())
            let members = EtcdExamination(engine.options(etcd)).members().map { $0.naming(shown, now: now) }
            let lines = diagnosis.lines(members)
            guard let answer = SharedDiagnosis.newest(members) else { return Findings(lines: lines) }
            return findings(lines, answer.value, diagnosis, session, engine)
        case .kubernetes(let kubernetes):
            let diagnosis = SharedDiagnosis(session, hasUser: false, loopback: [])
            let server = kubernetes.server.description
            guard let store = EngineStore(engine.options(kubernetes)) else { return Findings(lines: []) }
            defer { store.stop() }
            switch Latch.awaiting({ store.get($0) }) {
            case .success(let value):
                return findings([diagnosis.line(server, nil)], value, diagnosis, session, engine)
            case .failure(let failure): return Findings(lines: [diagnosis.line(server, failure)])
            }
        }
    }

    /// Adds the verdicts on the record to `lines`, which say how it was read.
    private func findings(
        _ lines: [CheckLine],
        _ value: StoredValue?,
        _ diagnosis: SharedDiagnosis,
        _ session: SharedReport.Session,
        _ engine: SharedEngine
    ) -> Findings {
        let report = SharedReport(session, SharedValue(value, engine.seal), revision: value?.revision, member: nil)
        let more = diagnosis.lines(report, local: local(report))
        var findings = Findings(lines: lines + more)
        if case .session(let there, _) = report.value, more.allSatisfy({ $0.fault == nil }) {
            findings.isBehind = isBehind(there.identity)
        }
        return findings
    }

    /// Nil also if the file cannot be read, which another line reports.
    private var record: SessionRecord? { try? SessionFile(path: loaded.sessionFile).session() }

    private func local(_ report: SharedReport) -> SharedDiagnosis.Local {
        guard let record, !record.isEmpty else { return .nothing }
        let place = loaded.binding.sharedPlace
        let customer = record.token?.claims?.subject
        guard case .shared(let holding) = record.localHolding(in: place) else { return .own(customer: customer) }
        guard case .session(let there, let content) = report.value, case .tokens(let mine) = holding,
            mine.wouldReplaceLogin(of: there.identity),
            record.sharedNote(in: place).weight != .wish, let customer, let other = content.subject, customer != other
        else { return .shared }
        // The session comes from another engine, or this engine was emptied since.
        return .own(customer: customer)
    }

    private func isBehind(_ there: SharedIdentity) -> Bool {
        switch record?.localHolding(in: loaded.binding.sharedPlace) ?? .shared(.nothing) {
        case .own, .elsewhere, .shared(.nothing): true
        case .shared(.tokens(let mine)): mine != there && !there.precedes(mine)
        case .shared(.ended(let mine)): !there.precedes(mine)
        }
    }
}
