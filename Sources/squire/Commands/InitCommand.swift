import ArgumentParser
import Credentials
import Platform
import Settings

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a first configuration, with comments, and print the next steps.",
        discussion: """
            Writes ./squire.yaml, or the file that --config names. Only this user can read it (0600), and an existing \
            file is never overwritten. squire check accepts it as it is; values that only you know appear as \
            CHANGE-ME.

              squire init --upstream https://api.example.com/v1
              squire init --profile slack

            --full and --schema write no file. The first prints every key with its default, its bounds and its \
            meaning, as a configuration that sets only defaults. The second prints a JSON Schema of it for editors, \
            which a line at the top of a configuration can name: # yaml-language-server: $schema=FILE. If the schema \
            was installed with Squire, squire init writes that line.

            Exit codes: 0 done, 64 wrong usage, 73 the file already exists or cannot be written.
            """
    )

    @Option(name: .long, help: ArgumentHelp("The API's URL.", valueName: "url"))
    var upstream: String?

    @Option(
        name: .long,
        help: ArgumentHelp("A preset for the API; squire profile lists them.", valueName: "name"),
        completion: .list(Profile.names)
    )
    var profile: String?

    @Option(
        name: .long,
        help: ArgumentHelp("The file to write. (default: squire.yaml)", valueName: "file"),
        completion: .file()
    )
    var config: String?

    @Flag(name: .long, help: "Print every key with its default and meaning.")
    var full = false

    @Flag(name: .long, help: "Print the JSON Schema for editors.")
    var schema = false

    func validate() throws {
        if full, schema { throw ValidationError("--full and --schema cannot both be given") }
        let isAsked = upstream != nil || profile != nil || config != nil
        if full || schema, isAsked {
            throw ValidationError("\(full ? "--full" : "--schema") prints, and writes nothing: give it alone")
        }
        if config?.isEmpty == true { throw ValidationError("--config names no file") }
    }

    func run() throws {
        if full { return Output.write(1, ConfigurationReference.text) }
        if schema { return Output.write(1, ConfigurationSchema.text) }
        let new = try self.new()
        let path = config ?? ConfigurationLoader.unaskedName
        // The directory may not exist yet, although documentation tells people to write into it. If it cannot be
        // created, writing the file reports why.
        try? ParentDirectory.make(for: path)
        do throws(SystemError) {
            try new.write(to: path)
        } catch {
            throw Self.failure(error, path)
        }
        say(new, path)
    }

    private func new() throws -> NewConfiguration {
        let preset = try profile.map(ProfileCommand.preset)
        do throws(NewConfiguration.Refused) {
            return try NewConfiguration(upstream: upstream, profile: preset, schema: Self.installedSchema)
        } catch {
            throw ExitFailure.usage("squire: --upstream \(error.reason)")
        }
    }

    /// The path of the schema in an installation, relative to the program's directory; nil if it is not there.
    private static var installedSchema: String? {
        guard let program = OwnProgram.path else { return nil }
        let directories = program.split(separator: "/").dropLast(2)
        let path = (directories + ["share", "squire", "squire.schema.json"]).map { "/\($0)" }.joined()
        // A path that a comment cannot hold is left out.
        return PrivateFile.exists(path) && path.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F } ? path : nil
    }

    private static func failure(_ error: SystemError, _ path: String) -> ExitFailure {
        switch error.code {
        case EEXIST:
            .notWritable(
                "squire: \(path) is there already, and nothing was changed. To write another: squire init --config FILE"
            )
        default: .notWritable("squire: \(path) cannot be written: \(error.reason)")
        }
    }

    private func say(_ new: NewConfiguration, _ path: String) {
        // A file that the variable names takes precedence over one in this directory.
        let isShadowed = !(Environment.all["SQUIRE_CONFIG"] ?? "").isEmpty
        let named = config ?? (isShadowed ? path : nil)
        var lines = (login: "squire login", run: "squire run")
        do {
            let found = try Loading.load(named, ConfigurationOverrides(), .look).lines
            lines = (found.login, found.line("run"))
        } catch {
            Output.error((error as? ExitFailure)?.message ?? "\(error)")
        }
        Output.report("\(path): written")
        for blank in new.blanks { Output.report("  line \(blank.line): \(blank.name) is for you to fill in") }
        Output.report("Next:\n  \(lines.login)\n  \(lines.run)")
    }
}
