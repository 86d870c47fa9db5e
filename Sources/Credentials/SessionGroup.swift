import Synchronization
import Threads

/// The sessions of one process, each of a configuration of its own. Those on the same file are one session to people: what
/// one of them changes, or finds changed, the others use before anybody is told of it.
///
/// *Threading*: any thread. Does not own its sessions.
public final class SessionGroup: Sendable {
    private struct Member: Sendable { weak var session: Session? }

    private let members = Guarded<[Member]>([])

    public init() {}

    /// `session`, which has just been opened, is told of changes from now on, and follows those since it read its file.
    func join(_ session: Session) {
        members.with { members in
            members.removeAll { $0.session == nil }
            members.append(Member(session: session))
        }
        for other in others(than: session) { session.follow(other) }
    }

    /// `session` has another token, or none: the others on its file follow. Blocks while they read that; call it under no
    /// lock but the file's.
    func follow(_ session: Session) {
        for other in others(than: session) { other.follow(session) }
    }

    private func others(than session: Session) -> [Session] {
        members.with { $0.compactMap(\.session) }.filter { $0 !== session }
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

    /// The file cannot tell what could not be saved in it. What it says since takes precedence, and what was changed
    /// here later.
    private func follow(_ record: SessionRecord, _ unsaved: Persistence.Unsaved, _ file: SessionFile) {
        let change = saving { () -> AdoptedChange? in
            let (before, version) = (snapshot, file.version())
            guard foreign(record) == nil, before.record.held != record.held,
                version == nil || version == unsaved.seen,
                before.persistence.unsaved.map({ $0.order < unsaved.order }) ?? true
            else { return nil }
            let change = AdoptedChange(from: before.record, to: record)
            publish(record, .unsaved(unsaved), by: .file(change))
            return change
        }
        guard let change else { return }
        emitNews(.adopted(change, of: .process, generation: generation))
        reportUnsaved(unsaved.reason)
        resumeWaiters()
    }
}

/// The place of a change that could not be saved among those of this process: the file, which orders the others, has none
/// of them.
struct ChangeOrder: Comparable, Sendable {
    private let number: UInt64

    private init(number: UInt64) { self.number = number }

    /// Before every change: what is there without one.
    static let beginning = ChangeOrder(number: 0)

    private static let last = Atomic<UInt64>(0)

    /// After every change so far. Call it in `Session.saving`, for a change that is published there.
    static func next() -> ChangeOrder { ChangeOrder(number: last.wrappingAdd(1, ordering: .relaxed).newValue) }

    static func < (one: ChangeOrder, other: ChangeOrder) -> Bool { one.number < other.number }
}
