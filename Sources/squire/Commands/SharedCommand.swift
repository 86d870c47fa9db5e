import ArgumentParser
import Settings
import SharedSession

/// Manual operations on a session that many machines share.
struct SharedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shared",
        abstract: "Manage a session that many machines share (session.shared): its keys, and its record in the engine.",
        subcommands: [
            SharedKeyCommand.self, SharedStatusCommand.self, SharedResealCommand.self, SharedResetCommand.self,
        ]
    )
}

struct SharedKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Create the key that seals a shared session, or add the next one.",
        discussion: """
            The engine (etcd) never sees a token: the session is sealed with a key that only the machines have. \
            Distribute the key as you do other secrets: a systemd credential, sops, an Ansible vault.

            Create it on one machine, then copy the file to the others, with mode 0600:

              squire shared key ~/.config/squire/shared.key

            and in the configuration of each:

              session:
                shared:
                  etcd:
                    - https://etcd-1:2379
                    - https://etcd-2:2379
                    - https://etcd-3:2379
                  key: ~/.config/squire/shared.key

            Without FILE, the key is printed as one line, for your secret store. Whoever has it can read the session, \
            and without it nobody can, not even you.

            To change the key without an interruption (each line of the file is a key; the first one seals, and all of \
            them open):

              1. squire shared key --add FILE
                 adds a new key as the last line, which opens but does not seal
              2. copy FILE to every machine: a running Squire reads it within seconds
              3. make the new line the first, and copy FILE again:
                 from now on it seals
              4. after the next refresh, or squire shared reseal,
                 remove the old line everywhere

            --list shows the identifiers of the keys, which are no secret. They must be the same on each machine.

            Exit codes: 0 done, 64 wrong usage, 73 FILE already exists or cannot be written, 78 FILE cannot be used: it \
            is not a key file, or others may read it.
            """
    )

    @Flag(name: .long, help: "Add a new key to FILE as its last line.")
    var add = false

    @Flag(name: .long, help: "Show the identifiers of the keys in FILE.")
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
