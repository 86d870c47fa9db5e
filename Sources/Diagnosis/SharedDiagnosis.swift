import Credentials
public import SharedSession

/// The lines of `squire check --online` about the engine of a shared session, and its record. Pure.
public struct SharedDiagnosis: Sendable {
    /// The contents of this machine's session file.
    public enum Local: Equatable, Sendable {
        case nothing
        /// Tokens that are not shared, and their customer, if they name one.
        case own(customer: String?)
        case shared
    }

    private let session: SharedReport.Session
    /// Whether a user is configured.
    private let hasUser: Bool
    /// The members on this machine.
    private let loopback: Set<String>

    public init(_ session: SharedReport.Session, hasUser: Bool, loopback: Set<String>) {
        self.session = session
        self.hasUser = hasUser
        self.loopback = loopback
    }

    // MARK: The engine

    public func lines(_ members: [EtcdExamination.Member]) -> [CheckLine] {
        let serving = members.filter { member in
            guard case .success(let answer) = member.result else { return false }
            return answer.writing == nil
        }
        var lines = members.map { line($0, isNeeded: serving.isEmpty) }
        lines += clusterLines(members)
        lines += accessLines(members)
        return lines
    }

    private func line(_ member: EtcdExamination.Member, isNeeded: Bool) -> CheckLine {
        let failure: SharedStoreFailure
        switch member.result {
        case .success(let answer):
            guard let writing = answer.writing else {
                return .ok("etcd", "\(member.endpoint) reads and writes with a quorum\(Self.words(answer.access))")
            }
            failure = writing
        case .failure(let reason): failure = reason
        }
        let isNamed = failure.detail.hasPrefix(member.endpoint)
        var text = "\(isNamed ? "" : "\(member.endpoint): ")\(failure.detail)"
        text += ". \(failure.advice)"
        let hasEnd = text.hasSuffix(".") || text.hasSuffix("?")
        guard isNeeded else { return .warn("etcd", "\(text)\(hasEnd ? "" : ".") Other members do") }
        switch failure.kind {
        case .denied, .configuration: return CheckLine(.fail(.misconfigured), "etcd", text)
        case .unreachable, .unavailable, .damaged, .stopped: return .fail("etcd", text)
        }
    }

    /// The line about the only API server. `failure` says why the Secret cannot be read; nil if it can. Writing is not
    /// tested.
    public func line(_ server: String, _ failure: SharedStoreFailure?) -> CheckLine {
        guard let failure else { return .ok("kubernetes", "\(server) gives the Secret; writing was not tried") }
        let isNamed = failure.detail.hasPrefix(server)
        var text = "\(isNamed ? "" : "\(server): ")\(failure.detail)"
        text += ". \(failure.advice)"
        switch failure.kind {
        case .denied, .configuration: return CheckLine(.fail(.misconfigured), "kubernetes", text)
        case .unreachable, .unavailable, .damaged, .stopped: return .fail("kubernetes", text)
        }
    }

    private static func words(_ access: EtcdExamination.Access) -> String {
        switch access {
        case .user(let name): ", as user \(name)"
        case .certificate, .anybody: ""
        }
    }

    private func clusterLines(_ members: [EtcdExamination.Member]) -> [CheckLine] {
        var clusters: [(number: String, endpoint: String)] = []
        for member in members {
            guard case .success(let answer) = member.result else { continue }
            if !clusters.contains(where: { $0.number == answer.cluster }) {
                clusters.append((answer.cluster, member.endpoint))
            }
        }
        guard clusters.count > 1 else { return [] }
        let names = clusters.map(\.endpoint).joined(separator: " and ")
        let text =
            "\(names) are of different clusters: machines would see different sessions, and end each other's. "
            + "session.shared.etcd must name the members of one"
        return [CheckLine(.fail(.misconfigured), "etcd", text)]
    }

    private func accessLines(_ members: [EtcdExamination.Member]) -> [CheckLine] {
        let open = members.compactMap { member -> (endpoint: String, access: EtcdExamination.Access)? in
            guard case .success(let answer) = member.result else { return nil }
            if case .user = answer.access { return nil }
            return (member.endpoint, answer.access)
        }
        var lines: [CheckLine] = []
        if hasUser, !open.isEmpty {
            lines.append(
                .warn(
                    "etcd",
                    "\(Self.list(open.map(\.endpoint))): no user is asked for: authentication is switched off, and user and "
                        + "password of session.shared do nothing. Switch it on: etcdctl auth enable"
                )
            )
        }
        let unguarded = open.filter { $0.access == .anybody }.map(\.endpoint)
        let away = unguarded.filter { !loopback.contains($0) }
        if !away.isEmpty {
            lines.append(
                .warn(
                    "etcd",
                    "\(Self.list(away)): whoever reaches it may replace or delete the session, and so may any web page in a "
                        + "browser that does: it answers every origin. Switch authentication on (etcdctl auth enable), or have "
                        + "it ask for client certificates (--client-cert-auth)"
                )
            )
        } else if !unguarded.isEmpty {
            lines.append(
                .note(
                    "etcd",
                    "asks nobody who they are: any user of this machine, and any web page in a browser on it, may replace or "
                        + "delete the session. For trying only"
                )
            )
        }
        return lines
    }

    private static func list(_ endpoints: [String]) -> String { endpoints.joined(separator: ", ") }

    // MARK: The record

    /// The newest answer; nil if no member answered.
    public static func newest(_ members: [EtcdExamination.Member]) -> EtcdExamination.Answer? {
        members.compactMap { member in
            guard case .success(let answer) = member.result else { return nil }
            return answer
        }.max { $0.revision < $1.revision }
    }

    public func lines(_ report: SharedReport, local: Local) -> [CheckLine] {
        if let problem = report.problem { return [CheckLine(.fail(problem.fault), "shared record", problem.text)] }
        switch report.value {
        case .absent, .damaged, .closed: return [.note("shared record", report.advice ?? report.state)]
        case .tombstone: return [CheckLine(.fail(.loginNeeded), "shared record", report.advice ?? report.state)]
        case .session(let record, let content):
            var lines = [line(record, content, report)]
            if report.isSealedNow(record) == false, record.state != .refused, let advice = report.advice {
                lines.append(.note("shared record", advice))
            }
            return lines + joining(content, local)
        }
    }

    private func line(_ record: SharedRecord, _ content: SealedSession, _ report: SharedReport) -> CheckLine {
        let whose = content.subject.map { ", of \($0.cut())" } ?? ""
        let text =
            "\(report.state)\(whose), era \(record.identity.era), generation \(record.identity.generation), sealed with key "
            + "\(record.keyID)"
        guard record.state == .refused else { return .ok("shared record", text) }
        return CheckLine(.fail(.loginNeeded), "shared record", "\(text). \(report.advice ?? "")")
    }

    /// What will happen to this machine's own session.
    private func joining(_ content: SealedSession, _ local: Local) -> [CheckLine] {
        guard case .own(let customer) = local else { return [] }
        guard let customer, let other = content.subject, customer != other else {
            return [.note("shared record", "takes the place of this machine's own session, which is kept beside it")]
        }
        return [
            CheckLine(
                .fail(.misconfigured),
                "shared record",
                "\(session.source): the shared session \(session.name) is that of \(other.cut()), and this machine's own is that "
                    + "of \(customer.cut()), so it does not join by itself. To put its customer in everywhere: "
                    + "\(session.login) --replace. Else give this one another name: session.shared.name"
            )
        ]
    }
}
