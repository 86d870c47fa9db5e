import Testing

@testable import Settings

/// What a document is to the configuration, and that no text makes reading one slow, large or fatal.
@Suite struct YAMLReaderTests {
    private func map(_ text: String) throws -> YAMLNode.Mapping {
        guard case .mapping(let mapping)? = try YAMLReader.read(text) else { throw Missing() }
        return mapping
    }

    private struct Missing: Error {}

    @Test func scalarsAreText() throws {
        let map = try map("a: 4.10\nb: 010\nc: yes\nd: 0x1F\ne: 2024-01-01\nf: '~'\ng: ~\nh:\ni: \"x\\ny\"\n")
        #expect(map.entries.map(\.key.text) == ["a", "b", "c", "d", "e", "f", "g", "h", "i"])
        #expect(map.entries.map(\.value.text) == ["4.10", "010", "yes", "0x1F", "2024-01-01", "~", "~", "", "x\ny"])
        #expect(map.entries.map(\.value.isNull) == [false, false, false, false, false, false, true, true, false])
    }

    @Test func nodesKnowTheirLines() throws {
        let map = try map("# first\na: 1\nb:\n  - x\n  - {c: y,\n     d: z}\n")
        #expect(map.entries.map(\.key.line) == [2, 3])
        guard case .sequence(let list)? = map["b"]?.value, case .mapping(let inner)? = list.elements.last else {
            throw Missing()
        }
        #expect(list.elements.map(\.line) == [4, 5])
        #expect(inner.entries.map(\.key.line) == [5, 6])
    }

    @Test(arguments: ["", "# nothing\n", "---\n"]) func anEmptyDocumentIsNull(_ text: String) throws {
        let root = try YAMLReader.read(text)
        #expect(root == nil || root?.isNull == true)
    }

    @Test func aliasesAreFilledIn() throws {
        let map = try map("a: &x [1, 2]\nb: *x\n# *c *d\nc: {d: *x}\n")
        #expect(map["a"]?.value == map["b"]?.value)
    }

    /// Nine lines that stand for a billion values: as a value, as a key, and within one.
    @Test(arguments: ["z: *i\n", "*i : z\n", "? [*i, *i]\n: z\n", "{*i : z}\n", "z: {? {k: *i} : *i}\n"])
    func aliasesThatMultiply(_ end: String) {
        var text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
        for (name, former) in zip("bcdefghi", "abcdefgh") {
            let list = Array(repeating: "*\(former)", count: 9).joined(separator: ", ")
            text += "\(name): &\(name) [\(list)]\n"
        }
        expectRefused(text + end)
    }

    @Test func aliasesThatNest() {
        let deep = { (name: String, inner: String) in
            "&\(name) " + String(repeating: "[", count: 900) + inner + String(repeating: "]", count: 900)
        }
        var text = "a: \(deep("a", "x"))\n"
        for (name, former) in zip("bcdefghijkl", "abcdefghijk") {
            text += "\(name): \(deep("\(name)", "*\(former)"))\n"
        }
        expectRefused(text)
    }

    /// On a stack that is not the main thread's, either.
    @Test(arguments: [2, 4, 6, 8, 10, 12]) func fewAliasesThatNest(_ count: Int) {
        var text = "a: &a [x]\n"
        for (name, former) in zip("bcdefghijklm", "abcdefghijkl").prefix(count) {
            let (open, close) = (String(repeating: "[", count: 930), String(repeating: "]", count: 930))
            text += "\(name): &\(name) \(open)*\(former)\(close)\n"
        }
        expectRefused(text)
    }

    @Test func aliasesInALongFile() throws {
        let lines = (0..<1000).map { "k\($0): [a, {b: c}]\n" }.joined()
        #expect(try map("a: &a [x]\n" + lines + "b: *a\n").entries.count == 1002)
    }

    @Test(
        arguments: [
            String(repeating: "[", count: 500_000),
            String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
            String(repeating: "- ", count: 500_000), String(repeating: "? ", count: 500_000),
            "[" + String(repeating: "a,", count: 200_000) + "]",
        ]
    )
    func whatIsTooMuch(_ text: String) { expectRefused(text) }

    private func expectRefused(_ text: String) {
        let clock = ContinuousClock()
        let begun = clock.now
        #expect(throws: YAMLReader.Problem.self) { try YAMLReader.read(text) }
        #expect(clock.now - begun < .seconds(10))
    }
}
