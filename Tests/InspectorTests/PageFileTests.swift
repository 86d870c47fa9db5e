import Testing

@testable import Inspector

/// What the page consists of, and what is never in it.
@Suite struct PageFileTests {
    private static func text(_ file: PageFile) -> String { String(decoding: file.bytes, as: UTF8.self) }

    @Test func sizesStayWithinTheirLimit() {
        let sizes = PageFile.all.map { $0.bytes.count }
        #expect(sizes.reduce(0, +) <= 256 << 10, "\(zip(PageFile.all.map(\.name), sizes).map { "\($0): \($1)" })")
        #expect(!sizes.contains(0))
    }

    /// Each way to make HTML, a script or a worker from a string.
    @Test(arguments: PageFile.all.map(\.name))
    func nothingIsMadeFromStrings(_ name: String) throws {
        let text = Self.text(try #require(PageFile.named(name)))
        for sink in [
            "innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc", "document.write", "eval(", "Function(",
            "DOMParser", "setAttribute('style'", "setAttribute(\"style\"", "new Worker", "SharedWorker", "setHTML",
            "createContextualFragment", "importScripts", "execCommand('insertHTML'", "javascript:", "document.cookie",
        ] {
            #expect(!text.contains(sink), "\(sink) in \(name)")
        }
    }

    /// Nothing is fetched from elsewhere. The name of SVG's namespace looks like a URL and is none.
    @Test(arguments: PageFile.all.map(\.name))
    func noAddressOutsideOfTheOrigin(_ name: String) throws {
        let text = Self.text(try #require(PageFile.named(name)))
        let rest = text.split(separator: "http://www.w3.org/2000/svg", omittingEmptySubsequences: false).joined()
        for match in rest.matches(of: #/(https?|wss?|ftp):/*/[\w.-]*/#) {
            // Words about an address, and the form of one, are no address.
            let allowed = ["http://localhost", "http://127.0.0.1", "https://", "http://"]
            #expect(allowed.contains(String(match.output.0)), "\(match.output.0) in \(name)")
        }
        #expect(!rest.contains("@import") && !rest.contains("url(//") && !rest.contains("src=\"//"))
    }

    @Test func everyFileOfTheDocumentIsThere() throws {
        let document = Self.text(try #require(PageFile.named("index.html")))
        let asked = Set(document.matches(of: #/"\/page\/([\w.-]+)"/#).map { String($0.output.1) })
        #expect(asked == Set(PageFile.all.map(\.name)).subtracting(["index.html"]))
    }

    /// A module that is imported and not there is a blank page.
    @Test func everyImportIsThere() {
        let names = Set(PageFile.all.map(\.name))
        for file in PageFile.all where file.name.hasSuffix(".js") {
            for match in Self.text(file).matches(of: #/(?m)^import .* from '([^']+)';$/#) {
                let asked = String(match.output.1)
                #expect(asked.hasPrefix("./") && names.contains(String(asked.dropFirst(2))), "\(asked) in \(file.name)")
            }
        }
    }

    @Test(arguments: [
        ("a.js", "a\n  b // c\n \t// d\n//e\nf\n", "a\nb // c\n\n\nf\n"), ("a.js", "", ""), ("a.js", "a", "a"),
        ("a.js", "\n\n", "\n\n"), ("a.js", "  x('//y')\n", "x('//y')\n"), ("a.js", "/* a */\n", "/* a */\n"),
        ("a.css", "/* a */\n  /**/\n/*/\nb { } /* c */\n// d\n", "\n\n/*/\nb{}/* c */\n// d\n"),
        ("a.css", "/* a */ b { } /* c */\n/* d\ne */\n", "/* a */ b{}/* c */\n/* d\ne */\n"),
        (
            "a.css", "  a b, c:is(d, e) { f: g(1px + 2px); --h: ; i: \"j: { \" }\n",
            "a b,c:is(d,e){f:g(1px + 2px);--h:;i:\"j: { \"}\n"
        ),
        ("a.css", "@media (a: 1) { b { c: d; } }\n", "@media (a:1){b{c:d}}\n"),
        ("a.html", "  // a\n/* b */\n", "// a\n/* b */\n"),
    ])
    func readersPartsAreLeftOut(_ name: String, _ text: String, _ expected: String) {
        #expect(String(decoding: PageFile.lean(Array(text.utf8), of: name), as: UTF8.self) == expected)
    }

    /// A line is what it looks like, wherever it stands: no template spans two.
    @Test(arguments: PageFile.all.map(\.name).filter { $0.hasSuffix(".js") })
    func linesStandForThemselves(_ name: String) throws {
        for line in Self.text(try #require(PageFile.named(name))).split(separator: "\n") {
            // A regular expression may name it in brackets.
            let line = line.replacing(#/\[[^\]]*\]/#, with: "")
            #expect(line.count { $0 == "`" }.isMultiple(of: 2) && !line.hasPrefix("/*"), "\(line)")
        }
    }

    @Test func namesAreAllDifferentAndNoOthersAreServed() {
        #expect(Set(PageFile.all.map(\.name)).count == PageFile.all.count)
        #expect(PageFile.version.count == 16)
        #expect(PageFile.named("../app.js") == nil && PageFile.named("") == nil)
    }

    @Test(arguments: [
        ("T", true), ("W/T", true), ("*", true), ("\"x\", T", true), ("\"x\" ,\tW/T ", true), ("\"x\"", false),
        ("", false), ("t", false),
    ])
    func conditionNamesTheFile(_ condition: String, _ expected: Bool) throws {
        let file = try #require(PageFile.named("app.js"))
        #expect(file.isMatched(by: condition.replacing("T", with: file.tag)) == expected)
    }
}
