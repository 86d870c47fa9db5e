import ArgumentParser
import Settings

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "List the presets, or print one as the configuration it is.",
        discussion: """
            A configuration that says `profile: NAME` is laid over that preset: maps merge, lists and single values are \
            its own where it has them, and another source of tokens takes the place of the preset's. The list has one \
            preset a line: the name, a tab, and what it is for.
            """
    )

    @Argument(
        help: ArgumentHelp("The preset to print.", valueName: "name"),
        completion: .list(Profile.names)
    )
    var name: String?

    func run() throws {
        guard let name else {
            // These are constants, and the tab must not be escaped.
            return Output.write(1, Profile.all.map { "\($0.name)\t\($0.summary)\n" }.joined())
        }
        let profile = try Self.preset(name)
        Output.line(profile.text.hasSuffix("\n") ? String(profile.text.dropLast()) : profile.text)
    }

    static func preset(_ name: String) throws -> Profile {
        if let profile = Profile.named(name) { return profile }
        let shown = ControlCharacters.escaped(name)
        throw ExitFailure.usage("squire: there is no preset \"\(shown)\"\(Profile.hint(for: name))")
    }
}
