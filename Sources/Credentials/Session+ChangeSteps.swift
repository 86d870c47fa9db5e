import Platform
import Threads

/// Changes that a person makes in this process to a session that machines share.
extension Session {
    /// The identity of a change among the machines that share the session, and whether they know it.
    struct Naming {
        let identity: SharedIdentity
        let mark: SharedMark

        init(_ identity: SharedIdentity, _ mark: SharedMark) {
            self.identity = identity
            self.mark = mark
        }
    }

    func share(_ record: inout SessionRecord, _ name: Naming) {
        record.share(as: name.identity, in: place)
        record.markShared(name.mark, now: clock.now.wall)
    }

    /// Makes the change that `steps` describe, with the permission of the other machines. The file's lock is held.
    func share(
        _ wish: SharedWish,
        _ sharing: any SessionSharing,
        _ steps: ChangeSteps
    ) throws(SessionFileError) {
        if case .logout = wish {
            // The issuer comes first: tokens that it did not end are not forgotten.
            guard try steps.tries() else { return }
        }
        let ending = sharing.change(wish, from: snapshot.isForeign ? SessionRecord() : snapshot.record, steps)
        if let error = steps.error { throw error }
        switch ending {
        case .done, .settled: break
        case .failed(let failure):
            throw SessionFileError("the machines that share the session do not know of it: \(failure.words)")
        }
    }

    /// A change that a person made in this process. On the session's thread.
    final class ChangeSteps: SharedSteps {
        private let session: Session
        private let file: SessionFile
        private let change: Change
        /// The saved tokens, whose identity another login may have taken meanwhile.
        private var saved: HeldTokens?
        private(set) var error: SessionFileError?
        /// In the file or in memory.
        var hasTakenEffect: Bool { saved != nil }

        init(_ session: Session, _ file: SessionFile, _ change: Change) {
            self.session = session
            self.file = file
            self.change = change
        }

        /// Prepares the change. False if there is nothing to change.
        func tries() throws(SessionFileError) -> Bool {
            var record = try session.recordToChange(in: file, replacesForeign: change.replacesForeign).record
            guard try change.prepare(record), case .replace = change.make(&record, session.clock.now.wall) else {
                return false
            }
            return true
        }

        func prepare() -> Bool { false }

        func carryOut(_ deed: SharedDeed) -> SharedSaving { session.carryOut(deed, in: .success(file)) }

        func send(after doubt: SharedDoubt) -> SharedSending { .nothing(nil) }

        func save(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving {
            // The machine may die before they know, and then the file says so.
            let name = Naming(identity, .wishWaits)
            if let saved { return rename(saved, name) }
            return replace(as: name, over: there)
        }

        func forget(as identity: SharedIdentity, _ mark: SharedMark) {
            _ = replace(as: Naming(identity, mark), over: nil)
        }

        private func replace(as name: Naming, over there: SessionRecord?) -> SharedSaving {
            error = nil
            do throws(SessionFileError) {
                guard try session.replace(file, name, over: there, change) else { return .nothing }
                saved = session.snapshot.record.held
                return .inFile
            } catch {
                self.error = error
                guard session.keep(change, name, despite: error) else { return .nothing }
                saved = session.snapshot.record.held
                return .inMemory
            }
        }

        /// Gives the same tokens another identity.
        private func rename(_ held: HeldTokens, _ name: Naming) -> SharedSaving {
            session.saving {
                var record = session.snapshot.record
                guard record.held == held else { return .nothing }
                session.share(&record, name)
                let version = (try? file.save(record)) ?? nil
                if version == nil { session.leaveRenamed(record, file) }
                session.publish(record, version.map(Persistence.saved) ?? session.snapshot.persistence, by: .change)
                return version == nil ? .inMemory : .inFile
            }
        }
    }
}
