import Platform
import Threads

/// Changes that a person makes in this process to a session that machines share.
extension Session {
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
        private let keepsUnsaved: Bool
        private let replacesForeign: Bool
        private let change: Change
        /// The saved tokens, whose identity another login may have taken meanwhile.
        private var saved: HeldTokens?
        private(set) var error: SessionFileError?

        init(
            _ session: Session,
            _ file: SessionFile,
            _ keepsUnsaved: Bool,
            _ replacesForeign: Bool,
            _ change: @escaping Change
        ) {
            self.session = session
            self.file = file
            self.keepsUnsaved = keepsUnsaved
            self.replacesForeign = replacesForeign
            self.change = change
        }

        /// Whether there is anything to change.
        func tries() throws(SessionFileError) -> Bool {
            var record = try session.changing(file, replacesForeign: replacesForeign).record
            guard case .replace = change(&record, session.clock.now.wall) else { return false }
            return true
        }

        func prepare() -> Bool { false }

        func send(after doubt: SharedDoubt) -> SharedSending { .nothing(nil) }

        func save(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving {
            if let saved { return rename(saved, identity) }
            return replace(as: identity, over: there)
        }

        func forget(as identity: SharedIdentity) {
            _ = replace(as: identity, over: nil)
        }

        private func replace(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving {
            error = nil
            do throws(SessionFileError) {
                let isChanged = try session.replace(
                    file,
                    replacesForeign: replacesForeign,
                    identity,
                    over: there,
                    change
                )
                guard isChanged else { return .nothing }
                saved = session.snapshot.record.held
                return .inFile
            } catch {
                self.error = error
                guard keepsUnsaved, !error.isRefusal else { return .nothing }
                session.saving.withLock { session.replaceInMemory(because: error, identity, change) }
                session.reportUnsaved(error.description)
                saved = session.snapshot.record.held
                return .inMemory
            }
        }

        /// Gives the same tokens another identity.
        private func rename(_ held: HeldTokens, _ identity: SharedIdentity) -> SharedSaving {
            session.saving.withLock {
                var record = session.snapshot.record
                guard record.held == held else { return .nothing }
                record.share(as: identity, in: session.place)
                let version = (try? file.save(record)) ?? nil
                session.publish(record, version.map(Persistence.saved) ?? session.snapshot.persistence, by: .change)
                return version == nil ? .inMemory : .inFile
            }
        }
    }
}
