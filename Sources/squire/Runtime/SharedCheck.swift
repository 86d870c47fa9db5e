import Credentials
import Diagnosis
import HTTP1
import ReverseProxy
import Settings
import SharedSession

/// Looks at the engine that keeps a shared session as `squire check --online` does, and changes nothing.
struct SharedCheck {
    private let loaded: LoadedConfiguration
    private let configuration: SharedConfiguration

    /// Nil where no session is shared.
    init?(_ loaded: LoadedConfiguration) {
        guard let shared = loaded.configuration.session.shared else { return nil }
        self.loaded = loaded
        configuration = shared
    }

    struct Findings {
        var lines: [CheckLine]
        /// This machine has not taken up yet what the engine has, and will: of its own token nothing need be said.
        var isBehind = false
    }

    /// Its members, and the record. Blocking: contacts them.
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
            let members = EtcdExamination(engine.options(etcd)).members()
            var findings = Findings(lines: diagnosis.lines(members))
            guard let answer = SharedDiagnosis.newest(members) else { return findings }
            let report = SharedReport(
                session,
                SharedValue(answer.value, engine.seal),
                revision: answer.value?.revision,
                member: nil
            )
            let lines = diagnosis.lines(report, local: local)
            findings.lines += lines
            if case .session(let there, _) = report.value, lines.allSatisfy({ $0.fault == nil }) {
                findings.isBehind = isBehind(there.identity)
            }
            return findings
        }
    }

    /// A file that cannot be read has a line of its own.
    private var record: SessionRecord? { (try? SessionFile(path: loaded.sessionFile).load())?.record }

    private var local: SharedDiagnosis.Local {
        guard let record, !record.isEmpty else { return .nothing }
        return record.localHolding == .own ? .own(customer: record.token?.claims?.subject) : .shared
    }

    private func isBehind(_ there: SharedIdentity) -> Bool {
        switch record?.localHolding ?? .shared(.nothing) {
        case .own, .shared(.nothing): true
        case .shared(.tokens(let mine)): mine != there && !there.precedes(mine)
        case .shared(.ended(let mine)): !there.precedes(mine)
        }
    }
}
