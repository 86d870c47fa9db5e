import Credentials
import Testing

@testable import Settings

@Suite struct SessionPlaceTests {
    private static func read(_ text: String) throws(ConfigurationError) -> LoadedConfiguration {
        try ConfigurationLoader(environment: ["HOME": "/nowhere"])
            .read("upstream: https://API.Example.com\n" + text, path: "/nowhere/squire.yaml")
    }

    @Test("A relative XDG_CONFIG_HOME is ignored", arguments: ["rel", "", "./rel"])
    func relativeConfigurationHome(_ base: String) {
        let found = ConfigurationLoader.candidates(["HOME": "/h", "XDG_CONFIG_HOME": base])
        #expect(found == ["squire.yaml", "/h/.config/squire/squire.yaml"])
        let absolute = ConfigurationLoader.candidates(["HOME": "/h", "XDG_CONFIG_HOME": "/x"])
        #expect(absolute == ["squire.yaml", "/x/squire/squire.yaml"])
    }

    @Test(arguments: ["a", "A-z.0_9", "-", "a..", String(repeating: "x", count: 64)]) func aNameBecomesPartOfTheFile(
        _ name: String
    ) throws {
        let file = try Self.read("session: {name: \"\(name)\"}\n").sessionFile
        #expect(file == "/nowhere/.local/state/squire/api.example.com-\(name)-137b9e5e.json")
    }

    @Test(arguments: ["", ".a", "..", "a/b", "a b", "ä", "a\\n", String(repeating: "x", count: 65)])
    func otherNamesAreRefused(_ name: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.read("session: {name: \"\(name)\"}\n") }
        #expect(error?.issues.first?.line == 2)
        #expect(error?.issues.first?.message.hasPrefix("session.name must be 1 to 64") == true)
    }

    @Test func aNameAndAFile() {
        let error = #expect(throws: ConfigurationError.self) { try Self.read("session:\n  file: x\n  name: y\n") }
        #expect(error?.issues.first?.line == 4)
    }

    /// What could climb out of the directory, or be none of a file name's characters, does not come from the host.
    @Test func aHostCannotLeaveTheDirectory() throws {
        let places = SessionPlaces(["XDG_STATE_HOME": "/s"])
        let name = { (host: String) in
            try places.standard(SessionBinding(origin: "o"), host: host, name: nil).dropFirst(10).dropLast(14)
        }
        #expect(try name("::1") == "__1" && name("a/b") == "a_b" && name("Ä") == "__")
        #expect(try name(String(repeating: "h", count: 300)).count == 100)
    }

    /// Those of files that lie on disks. A change would lose sessions, and ask about files that were named long ago.
    @Test func namesOfFilesStay() throws {
        let places = SessionPlaces(["XDG_STATE_HOME": "/s"])
        let binding = SessionBinding(origin: "https://api.example.com", configuration: "/home/alice/squire.yaml")
        let name = { (name: String?) in try places.standard(binding, host: "api.example.com", name: name) }
        #expect(try name(nil) == "/s/squire/api.example.com-e8feab7d.json")
        #expect(try name("alice") == "/s/squire/api.example.com-alice-137b9e5e.json")
        let digest = "1990c32582b43d5524e9ef6dbd4ac70dbcfedeae23889c3579fd6c70675745f5"
        #expect(try TrustedFiles.digest("upstream: https://api.example.com\n") == digest)
    }

    /// A relative path would depend on where a command is run.
    @Test func theDirectoryIsAbsolute() {
        #expect(SessionPlaces.directory(["XDG_STATE_HOME": "/s"]) == "/s/squire")
        for environment in [["XDG_STATE_HOME": "s"], ["XDG_STATE_HOME": ""], [:]] {
            let directory = SessionPlaces.directory(environment.merging(["HOME": "/h"]) { $1 })
            #expect(directory == "/h/.local/state/squire")
        }
    }
}
