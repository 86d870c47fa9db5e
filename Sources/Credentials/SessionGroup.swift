import Threads

/// The sessions of one process, each of a configuration of its own. Those on the same file are one session to people: what
/// one of them changes, or finds changed, the others use before anybody is told of it.
///
/// *Threading*: any thread. Does not own its sessions.
public final class SessionGroup: Sendable {
    private struct Member: Sendable { weak var session: Session? }

    private let members = Guarded<[Member]>([])

    public init() {}

    func join(_ session: Session) {
        members.with { members in
            members.removeAll { $0.session == nil }
            members.append(Member(session: session))
        }
    }

    /// `session` has another token, or none: the others on its file follow. Blocks while they read that; call it under no
    /// lock but the file's.
    func follow(_ session: Session) {
        for other in members.with({ $0.compactMap(\.session) }) where other !== session { other.follow(session) }
    }
}

extension Session {
    /// Uses what `other`, a session of this process, has now, if both are on the same file. A session that a reload has
    /// replaced only serves exchanges that began before, and does not.
    fileprivate func follow(_ other: Session) {
        guard let file, let theirs = other.file, file.isSame(as: theirs), snapshot.actsAlone else { return }
        let news = other.snapshot
        if let unsaved = news.persistence.unsaved {
            follow(news.record, unsaved, file)
        } else {
            recheckNow()
        }
    }

    /// The file cannot tell what could not be saved in it. What it says since takes precedence.
    private func follow(_ record: SessionRecord, _ unsaved: Persistence.Unsaved, _ file: SessionFile) {
        let change = saving { () -> AdoptedChange? in
            let (before, version) = (snapshot.record, file.version())
            guard foreign(record) == nil, before.held != record.held, version == nil || version == unsaved.seen
            else { return nil }
            let change = AdoptedChange(from: before, to: record)
            publish(record, .unsaved(unsaved), by: .file(change))
            return change
        }
        guard let change else { return }
        emit(.adopted(change, of: .process, generation: generation))
        reportUnsaved(unsaved.reason)
        resumeWaiters()
    }
}
