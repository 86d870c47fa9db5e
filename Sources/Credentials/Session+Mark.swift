import Threads

/// The mark of a rejected token, which tells every process and command.
extension Session {
    /// How long to wait before trying again while another process holds the file's lock, in nanoseconds.
    private static let markRetryPause: Int64 = 1_000_000_000

    /// How long to wait after a failure to write the mark, in nanoseconds.
    private static let failedPause: Int64 = 30_000_000_000

    /// Writes the mark if the file has a different one: once for each change of a token's standing, not for each
    /// request.
    func writeMark() {
        guard update({ state, _ in state.queueMark() }) else { return }
        _ = thread.execute { [self] in saveMark() }
    }

    /// The same, on the session's thread, before this returns if nobody else holds the file's lock.
    func writeMarkNow() {
        if update({ state, _ in state.queueMark() }) { saveMark() }
    }

    private func saveMark() {
        let former = snapshot.machine.current?.mark
        if let file, snapshot.persistence.unsaved == nil {
            do throws(SessionFileError) {
                guard let handle = try hold(file) else {
                    // The holder may be about to replace the token, which makes the mark needless.
                    thread.executeLater(Self.markRetryPause) { [weak self] in self?.saveMark() }
                    return
                }
                saving { noteMark(in: file) }
                handle.unlock()
                // Taking the lock may have put another process's token in place.
                recheckNow()
            } catch {
                // The mark is only information: this process knows it. It stays queued.
                thread.executeLater(Self.failedPause) { [weak self] in self?.saveMark() }
            }
        } else {
            saving { noteMark(in: nil) }
        }
        announce(former, snapshot.machine.current?.mark)
    }

    /// Writes the mark into `file`; nil stands for memory. Called in `saving`, with the file's lock held.
    private func noteMark(in file: SessionFile?) {
        update { state, _ in state.beginMark() }
        let before = snapshot
        guard let mark = before.machine.unwrittenMark, let token = before.machine.credential?.token else { return }
        var version: SessionFile.Version?
        if let file {
            guard let loaded = (try? file.load()) ?? nil, loaded.record.token == token else { return }
            var record = loaded.record
            record.rejected = mark
            version = file.trySave(record, over: loaded)
            if version == nil, before.persistence.unsaved == nil {
                guard update({ state, _ in state.queueMark() }) else { return }
                thread.executeLater(Self.failedPause) { [weak self] in self?.saveMark() }
                return
            }
        }
        update { state, _ in
            guard state.machine.credential?.token == token else { return }
            state.record.rejected = mark
            state.machine.markWasWritten(mark)
            if let version { state.persistence = .saved(version) }
        }
    }

    /// Reports when a token died, and when it works again.
    private func announce(_ before: SessionRecord.Rejected?, _ after: SessionRecord.Rejected?) {
        switch (before?.isWhole ?? false, after?.isWhole ?? false) {
        case (false, true): emit(.died(advice: status.advice))
        case (true, false): if snapshot.machine.credential != nil { emit(.revived) }
        case (true, true), (false, false): break
        }
    }
}
