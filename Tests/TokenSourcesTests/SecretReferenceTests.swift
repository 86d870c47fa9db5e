import Platform
import TestFiles
import Testing

@testable import TokenSources

@Suite struct SecretReferenceTests {
    private let directory = TestDirectory.make()

    private var reader: SecretReader {
        let environment = ["PATH": "/usr/bin:/bin", "API_KEY": "from the environment\n", "EMPTY": ""]
        return SecretReader(environment: environment, directory: directory)
    }

    private func file(_ bytes: [UInt8]) -> SecretReference {
        let path = "\(directory)/secret"
        #expect(PrivateFile.create(path, bytes))
        return .file(path)
    }

    /// A look finds what reading would.
    @Test(arguments: [0, 64 * 1024 + 1]) func aFileOfAnImpossibleSizeIsSeenByALook(_ size: Int) {
        let reference = file([UInt8](repeating: 0x61, count: size))
        #expect(reader.problem(reference) != nil)
        #expect(reader.problem(reference) == problem(reference))
        #expect(reader.problem(file([UInt8](repeating: 0x61, count: 64 * 1024))) == nil)
    }

    private func text(_ reference: SecretReference) -> String? { try? reader.read(reference).get() }

    private func problem(_ reference: SecretReference) -> SecretProblem? {
        if case .failure(let problem) = reader.read(reference) { problem } else { nil }
    }

    @Test(
        "What is shown says where it is kept",
        arguments: [
            (SecretReference.plain("hunter2"), "‹secret›"), (.environment("API_KEY"), "‹env API_KEY›"),
            (.file("/etc/key"), "‹file /etc/key›"), (.command(["pass", "show", "hunter2"]), "‹exec pass…›"),
        ]
    ) func shown(_ reference: SecretReference, _ expected: String) {
        #expect(reference.shown == expected)
        #expect("\(reference)" == expected)
        var dumped = ""
        dump(SecretValue(reference), to: &dumped)
        #expect(!dumped.contains("hunter2") && !String(reflecting: SecretValue(reference)).contains("hunter2"))
    }

    @Test func oneLineEndIsCut() {
        #expect(text(.plain("x\n")) == "x\n")
        #expect(text(.environment("API_KEY")) == "from the environment\n")
        #expect(text(file(Array("one\n".utf8))) == "one")
        #expect(text(file(Array("one\r\n".utf8))) == "one")
        #expect(text(file(Array("one\n\n".utf8))) == "one\n")
        #expect(text(file(Array(" one".utf8))) == " one")
        #expect(text(.command(["echo", "two"])) == "two")
        #expect(text(.command(["printf", "two\\nthree"])) == "two\nthree")
        #expect(text(.command(["sh", "-c", "pwd -P"]))?.isEmpty == false)
    }

    @Test func whatIsNotThereIsAMistake() {
        for reference in [
            SecretReference.environment("UNSET"), .environment("EMPTY"), .file("\(directory)/none"), .file(directory),
            file([]), file([0x0A]), file([0xFF, 0xFE]), file([UInt8](repeating: 0x61, count: 65 * 1024)),
        ] {
            guard case .configuration? = problem(reference) else {
                Issue.record("\(reference)")
                continue
            }
        }
        let unset = "names a variable that is not set: UNSET. Export it where squire runs"
        #expect(reader.problem(.environment("UNSET"))?.text == unset)
        #expect(reader.problem(.file("\(directory)/none")) != nil)
        #expect(reader.problem(.environment("API_KEY")) == nil)
    }

    @Test func aCommandThatFailsMayWorkAnotherTime() {
        for arguments in [
            ["false"], ["true"], ["/no/such"], ["printf", "\\377"], ["head", "-c", "70000", "/dev/zero"],
        ] {
            guard case .passing(let text)? = problem(.command(arguments)) else {
                Issue.record("\(arguments)")
                continue
            }
            #expect(text.contains("‹exec \(arguments[0])…›"))
        }
        // A look does not run it.
        #expect(reader.problem(.command(["sh", "-c", "touch ran"])) == nil)
        #expect(!PrivateFile.exists("\(directory)/ran"))
    }
}
