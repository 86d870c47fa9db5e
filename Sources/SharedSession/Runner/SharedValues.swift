import Credentials
import Platform

/// The engine's values that the machine refers to: numbered, opened and sealed. Performs no I/O.
struct SharedValues: Sendable {
    struct Known: Sendable {
        var value: StoredValue
        var record: SharedRecord
        /// Nil for a tombstone.
        var session: SealedSession?
    }

    /// Why no record can be written.
    enum Unwritable: Error {
        /// This machine does not hold those tokens.
        case notHere
        case tooLong
        case notSealed

        var words: String {
            switch self {
            case .notHere: "this machine has not got what is to be shared"
            case .tooLong:
                "the tokens, with their scope and the last refreshes, are longer than a shared record may be "
                    + "(\(SharedRecord.maxSealed / 1024) KiB)"
            case .notSealed: "what is to be shared cannot be sealed"
            }
        }
    }

    /// What to do about a value that cannot be read.
    private static let reset =
        "Put back the former value, or take this one away, so that a machine puts back its own: squire shared reset"

    private var seal: SharedSeal
    /// The origin of the API that this machine's session is for.
    let origin: String
    let keyFile: String
    /// The place where the session is shared, as session files spell it.
    let place: String
    private var last: UInt64 = 0
    private var known: [UInt64: Known] = [:]
    /// Why the value that was read last can neither be used nor replaced; nil if it can.
    private(set) var problem: String?

    init(seal: SharedSeal, origin: String, keyFile: String, place: String) {
        self.place = place
        self.seal = seal
        self.origin = origin
        self.keyFile = keyFile
    }

    mutating func use(_ seal: SharedSeal) { self.seal = seal }

    subscript(version: UInt64) -> Known? { known[version] }

    /// Forgets all values but those that the machine may still refer to.
    mutating func forget(allBut versions: [UInt64]) {
        known = known.filter { versions.contains($0.key) }
    }

    /// Interprets a value; nil means that there is none. `own` is this machine's session, which another customer's must
    /// not replace if it was never shared.
    mutating func reading(_ value: StoredValue?, own: SessionRecord) -> SharedReading {
        problem = nil
        guard let value else { return .absent }
        if let (version, there) = known.first(where: { $0.value.value == value }) {
            return reading(version, there, own)
        }
        switch SharedValue(value, seal) {
        case .absent: return .absent
        case .tombstone(let record): return reading(note(Known(value: value, record: record)), own)
        case .session(let record, let session):
            return reading(note(Known(value: value, record: record, session: session)), own)
        case .damaged(let damage):
            problem = "the shared record \(damage)"
            if case .version = damage { return .unreadable(.newer) }
            problem? += ". \(Self.reset)"
            return .unreadable(.damaged)
        case .closed(_, let trouble):
            problem = "the shared record \(trouble.text(keyFile))"
            if case .unknownKey = trouble {
                problem? += ". Copy the key file of another machine, or, where nobody has that key: squire shared reset"
                return .unreadable(.unknownKey)
            }
            problem? += ". \(Self.reset)"
            return .unreadable(.damaged)
        }
    }

    private mutating func reading(_ noted: (UInt64, Known), _ own: SessionRecord) -> SharedReading {
        reading(noted.0, noted.1, own)
    }

    private mutating func reading(_ version: UInt64, _ there: Known, _ own: SessionRecord) -> SharedReading {
        if let session = there.session {
            guard SessionBinding.isSame(session.origin, origin) else {
                problem = "it belongs to \(session.origin). Give session.shared another name"
                return .unreadable(.foreign)
            }
            if isForeign(own, to: there.record.identity), let mine = own.token?.claims?.subject,
                let theirs = session.subject, mine != theirs
            {
                problem =
                    "it is customer \(theirs)'s, and the session of this machine customer \(mine)'s. "
                    + "Log in with --replace, or give session.shared another name"
                return .unreadable(.otherCustomer)
            }
        }
        let facts = SharedFacts(
            there.record.identity,
            there.record.state,
            ended: there.session?.ended ?? [],
            silent: there.session?.silent ?? []
        )
        return .record(SharedView(facts, version: version))
    }

    /// Whether `own` was never shared, or would replace the engine's session. Only a person may decide that another
    /// customer's session is used then.
    private func isForeign(_ own: SessionRecord, to there: SharedIdentity) -> Bool {
        switch own.localHolding(in: place) {
        case .own, .elsewhere: true
        case .shared(.tokens(let mine)): mine.wouldReplaceLogin(of: there)
        case .shared(.nothing), .shared(.ended): false
        }
    }

    private mutating func note(_ new: Known) -> (UInt64, Known) {
        last += 1
        known[last] = new
        return (last, new)
    }

    /// Assigns a number to a value that was written.
    mutating func written(_ new: Known) -> UInt64 { note(new).0 }

    /// The record to write over `expecting`: the same tokens in another state, or those of `own`. `wall` is the time in
    /// seconds since 1970. `retryAfter` is the pause that the issuer asked the ending claim's machine for. Throws if this
    /// machine does not hold the tokens, or cannot seal them.
    func record(
        _ new: SharedFacts,
        expecting: SharedView?,
        own: SessionRecord,
        wall: Int,
        retryAfter: Int?
    ) throws(Unwritable) -> (SharedRecord, SealedSession?) {
        if let expecting, expecting.facts.identity == new.identity, let there = known[expecting.version] {
            return try record(new, there, own, retryAfter)
        }
        switch new.state {
        case .none: return (try sealed { () throws(SharedSeal.SealProblem) in try seal.tombstone(new.identity) }, nil)
        case .ready, .busy, .refused:
            guard own.localHolding(in: place) == .shared(.tokens(new.identity)), var session = SealedSession(own)
            else { throw .notHere }
            session.ended = new.ended
            session.silent = new.silent
            session.age = own.receivedAt.map { max(0, wall.subtracting(saturating: $0)) }
            return (try seal(session, new), session)
        }
    }

    private func seal(_ session: SealedSession, _ new: SharedFacts) throws(Unwritable) -> SharedRecord {
        try sealed { () throws(SharedSeal.SealProblem) in try seal.seal(session, new.identity, new.state) }
    }

    private func sealed(_ make: () throws(SharedSeal.SealProblem) -> SharedRecord) throws(Unwritable) -> SharedRecord {
        do throws(SharedSeal.SealProblem) {
            return try make()
        } catch {
            throw error == .tooLong ? .tooLong : .notSealed
        }
    }

    /// The same tokens in another state. They are sealed again if the seal covers the state, or if this machine knows
    /// of a lost answer, which the next sender must know.
    private func record(
        _ new: SharedFacts,
        _ there: Known,
        _ own: SessionRecord,
        _ retryAfter: Int?
    ) throws(Unwritable) -> (SharedRecord, SealedSession?) {
        guard var session = there.session else {
            guard let record = there.record.with(new.state) else { throw .notHere }
            return (record, nil)
        }
        var isSame =
            there.record.state.isSealed == new.state.isSealed && session.ended == new.ended
            && session.silent == new.silent
        if session.ended.last != new.ended.last { session.retryAfter = new.ended.isEmpty ? nil : retryAfter }
        session.ended = new.ended
        session.silent = new.silent
        if let lost = own.unanswered, own.localHolding(in: place) == .shared(.tokens(new.identity)),
            session.record.unanswered == nil, let noted = session.noting(lost)
        {
            session = noted
            isSame = false
        }
        if isSame, let record = there.record.with(new.state) { return (record, session) }
        return (try seal(session, new), session)
    }
}
