import ArgumentParser
import Settings
import SharedSession

/// Manual operations on a session that many machines share.
struct SharedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shared",
        abstract: "A session that many machines share (session.shared): its keys, and its record in the engine.",
        subcommands: [
            SharedKeyCommand.self, SharedStatusCommand.self, SharedResealCommand.self, SharedResetCommand.self,
        ]
    )
}

struct SharedKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Make the key that a fleet seals its session with, or add the next one.",
        discussion: """
            The engine (etcd) never sees a token: what it keeps is sealed with a key that all machines have, and it \
            does not. The key travels as other secrets do: a systemd credential, sops, an Ansible vault.

            The first time, on one machine; then copy the file to the others, mode 0600:

              squire shared key ~/.config/squire/shared.key

            and in the configuration of each:

              session:
                shared:
                  etcd:
                    - https://etcd-1:2379
                    - https://etcd-2:2379
                    - https://etcd-3:2379
                  key: ~/.config/squire/shared.key

            Without FILE the key is printed, one line, for whatever keeps your secrets. Whoever has it can read the \
            session, and without it nobody can: not you, either.

            Changing the key, without an interruption. In the file each line is a key: the first seals, and all open.

              1. squire shared key --add FILE
                 adds a new key as the last line: it opens, and seals nothing
              2. copy FILE to every machine: a Squire that runs reads it within seconds
              3. make the new line the first, and copy FILE again:
                 what is written from then on is sealed with it
              4. after the next refresh, or squire shared reseal,
                 take the old line out everywhere

            --list shows the keys by their names, which are safe to show: the same on each machine, or something was \
            not copied.

            Exit codes: 0 done, 64 wrong usage, 73 FILE is there already or cannot be written, 78 FILE cannot be used: \
            it is no key file, or others may read it.
            """
    )

    @Flag(name: .long, help: "Add a new key to FILE as its last line.")
    var add = false

    @Flag(name: .long, help: "Show the names of the keys in FILE.")
    var list = false

    @Argument(help: ArgumentHelp("The key file.", valueName: "file"), completion: .file())
    var file: String?

    func validate() throws {
        if add, list { throw ValidationError("--add and --list cannot both be given") }
        if add || list, file == nil { throw ValidationError("\(add ? "--add" : "--list") needs FILE") }
        if file?.isEmpty == true { throw ValidationError("FILE is empty") }
    }

    func run() throws {
        guard let file else { return Output.line(SharedKeyFile.newLine()) }
        do throws(SharedKeyFile.Problem) {
            if list {
                for line in Self.lines(try SharedKeyFile.load(file)) { Output.line(line) }
            } else if add {
                let keys = try SharedKeyFile.add(to: file)
                Output.report(
                    "\(file): a new key, which opens and does not seal yet. Next: copy the file to every machine"
                )
                for line in Self.lines(keys) { Output.line(line) }
            } else {
                let keys = try SharedKeyFile.create(file)
                Output.report(
                    "\(file): a new key, \(keys.keyIDs.map(\.description).joined()). Copy the file to every machine"
                )
            }
        } catch {
            throw Self.failure(error, file)
        }
    }

    private static func lines(_ keys: SharedKeyFile) -> [String] {
        keys.keyIDs.enumerated().map { "\($1)  \($0 == 0 ? "seals and opens" : "opens")" }
    }

    private static func failure(_ problem: SharedKeyFile.Problem, _ file: String) -> ExitFailure {
        switch problem {
        case .exists, .inChange, .unwritable: return .notWritable("squire: \(file) \(problem.text)")
        case .exposed:
            let exposure = SecretFile.exposure("the key file", file)
            return .configuration("squire: \(exposure ?? "\(file) \(problem.text)")")
        case .unreadable, .empty, .tooManyKeys, .badLine, .repeated:
            return .configuration("squire: \(file) \(problem.text)")
        case .unavailable: return .inputOutput("squire: \(file) \(problem.text)")
        }
    }
}
