import ArgumentParser
import Settings

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "List the presets, or print one, which is a configuration.",
        discussion: """
            A configuration with `profile: NAME` is merged into that preset: maps merge, its lists and single values \
            replace the preset's, and so does another source of tokens. The list has one preset per line: the name, a \
            tab, and its purpose.
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
