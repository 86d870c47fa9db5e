import ArgumentParser
import Credentials
import Diagnosis
import ReverseProxy
import Settings
import SharedSession

struct SharedStatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the record of the shared session: its state, its customer, the key that seals it.",
        discussion: """
            Reads the record from the engine (etcd) and tests whether the engine accepts writes. Writes nothing, and \
            shows no secret. The state is ready, busy (a machine refreshes: which one, and how often it has shown \
            since then that it is alive), refused (the API refused to refresh), none (somebody logged out), absent \
            (there is no record) or unreadable. It also shows what this machine has done and the others do not know; \
            squire status shows what this machine holds.

            An era counts logins and logouts, and a generation the refreshes since then.

            Exit codes: 0 the record can be used, or there is none; 65 it is damaged, or a newer Squire wrote it; 69 \
            the engine does not answer; 78 configuration error, here (the key that sealed it is not in the key file) \
            or at the engine (user, role, certificate), or the session is another API's. squire check --online tells \
            them apart.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    func run() throws {
        let access = try SharedAccess(options)
        defer { access.stop() }
        var (stored, report) = try read(access)
        report.writing = stored.flatMap(access.writing)
        report.unshared = access.unshared
        let now = SystemClock().wall()
        if json {
            Output.json(report.json(now: now))
        } else {
            report.lines(now: now).forEach(Output.labelled)
            for (index, entry) in report.history.suffix(5).reversed().enumerated() {
                Output.labelled("\(index == 0 ? "refreshes   " : "            ")\(StatusCommand.line(entry, now: now))")
            }
            let story = report.unshared.map(report.session.story)
            let advice = [story, report.problem == nil ? report.advice : nil].compactMap(\.self)
            if !advice.isEmpty { Output.say("\n" + advice.joined(separator: "\n")) }
        }
        if let problem = report.problem { throw ExitFailure(problem) }
    }

    /// Reads the engine. If it does not answer, the error still says what this machine has not shared yet.
    private func read(_ access: SharedAccess) throws -> (stored: StoredValue?, report: SharedReport) {
        do {
            return try access.report()
        } catch let failure as ExitFailure {
            guard let unshared = access.unshared else { throw failure }
            let story = SharedReport.Session(access.engine, access.loaded).story(unshared)
            throw ExitFailure(code: failure.code, message: "\(failure.message)\n\(story)")
        }
    }
}

struct SharedResetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Delete a record that cannot be opened, so that the machines put back their session.",
        discussion: """
            While the record in the engine cannot be opened, each machine uses the token that it has, writes nothing, \
            and cannot refresh. This command deletes the record without a trace: for the machines, the engine has lost \
            the session, which is not a logout. Each machine that runs with a session of this name puts its own back \
            at once, sealed with the first key of its own key file; if several do, the newest one stays. If none does, \
            a login is needed. A machine that was off puts back its session when it runs again.

            So repair the key file first. "Sealed with a key that is not in the file" usually means that a file was \
            not copied: then copy it, and reset nothing.

            A record that can be opened is not deleted: squire logout ends the session, squire login --replace \
            replaces it, and squire shared reseal seals it with another key. A record of a newer Squire is left alone.

            Asks for confirmation at a terminal; elsewhere it needs --yes.

            Exit codes: 0 done, or there is no record; 64 the record can be opened, or nobody confirmed; 65 a newer \
            Squire wrote it; 69 the engine does not answer; 75 the record changed meanwhile; 78 configuration error, \
            or it is another API's.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Do not ask for confirmation.")
    var yes = false

    func run() throws {
        let access = try SharedAccess(options)
        defer { access.stop() }
        let (stored, report) = try access.report()
        switch report.reset {
        case .unneeded(let text): return Output.say(text)
        case .opens(let text): throw ExitFailure.usage("squire: \(text)")
        case .refused(let problem): throw ExitFailure(problem)
        case .possible(let story):
            try agree("\(story) \(access.localStory)")
            guard let stored else { return }
            switch access.remove(stored) {
            case .written:
                Output.report("the record is gone. What comes back says \(report.session.command("shared status"))")
            case .conflict:
                throw ExitFailure.tryLater(
                    "squire: the record was changed meanwhile, and is left as it is: \(report.session.command("shared status"))"
                )
            case .unclear(let failure), .failed(let failure): throw ExitFailure(failure)
            }
        }
    }

    private func agree(_ story: String) throws {
        if yes { return }
        guard Output.isAtTerminal else {
            throw ExitFailure.usage("squire: \(story) There is nobody to ask: to do it, add --yes")
        }
        Output.error(story)
        guard Output.confirm("Take it away?") else { throw ExitFailure.usage("squire: nothing was changed") }
    }
}

struct SharedResealCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reseal",
        abstract: "Seal the record with the current key, the first one in the key file.",
        discussion: """
            Each refresh does the same; use this to avoid waiting for one when you change the key (squire shared key \
            --help). Nothing else in the record changes, and a refresh in progress continues.

            Exit codes: 0 done, or nothing to do; 65 the record is damaged, or a newer Squire wrote it; 69 the engine \
            does not answer; 75 the record kept changing; 78 configuration error, the key that sealed it is not in the \
            key file, or the session is another API's.
            """
    )

    /// The other writers are the fleet's machines, which write a few times a second at most.
    private static let maxTries = 20

    @OptionGroup var options: ConfigOption

    func run() throws {
        let access = try SharedAccess(options)
        defer { access.stop() }
        for _ in 0..<Self.maxTries {
            let (stored, report) = try access.report()
            switch report.reseal {
            case .unneeded(let text): return Output.say(text)
            case .refused(let problem): throw ExitFailure(problem)
            case .needed(let record):
                guard let stored else { continue }
                let resealed = try sealed(record, access)
                switch access.swap(expecting: stored, with: resealed) {
                case .written:
                    Output.report(
                        "sealed with key \(resealed.keyID) instead of \(record.keyID). When each machine has a key file without "
                            + "the old key, it is gone"
                    )
                    return
                case .conflict: continue
                case .unclear(let failure), .failed(let failure): throw ExitFailure(failure)
                }
            }
        }
        throw ExitFailure.tryLater("squire: the record changed each time it was about to be sealed; try again")
    }

    private func sealed(_ record: SharedRecord, _ access: SharedAccess) throws -> SharedRecord {
        let result: Result<SharedRecord, SharedSeal.SealProblem>
        do throws(SharedSeal.OpenProblem) {
            result = try access.engine.seal.reseal(record)
        } catch {
            throw ExitFailure.malformed("squire: the shared record \(error.text(access.engine.configuration.keyFile))")
        }
        guard case .success(let sealed) = result else {
            throw ExitFailure.inputOutput("squire: the record could not be sealed, and is as it was")
        }
        return sealed
    }
}
