import Platform
import Support
import TestFiles
import Testing
import Threads

@testable import Credentials

@Suite struct SessionBindingTests {
    @Test(arguments: [
        ("https://a.example", "https://A.Example", true), ("https://a.example", "https://a.example:443", true),
        ("http://a.example/", "http://a.example:80", true), ("https://a.example", "http://a.example", false),
        ("https://a.example", "https://a.example:80", false), ("https://a.example", "https://a.example.evil", false),
        ("https://a.example", "", false),
    ]) func origins(_ one: String, _ other: String, _ isSame: Bool) {
        #expect(SessionBinding.isSame(one, other) == isSame)
        #expect(SessionBinding.isSame(other, one) == isSame)
    }

    /// A refresh keeps the binding; a logout ends it.
    @Test func aRecordStaysBound() throws {
        let binding = SessionBinding(origin: "https://a", refreshOrigin: "https://r", configuration: "/c.yaml")
        var record = SessionRecord()
        record.put(TokenSet(accessToken: try #require(Token("first"))), .signIn, upstream: "https://a", now: 1_000_000)
        record.bind(binding)
        record.put(
            TokenSet(accessToken: try #require(Token("second"))),
            .refresh,
            upstream: "https://a",
            now: 1_000_000
        )
        #expect(record.foreignOrigin(to: binding) == nil && record.foreignRefreshOrigin(to: binding) == nil)
        #expect(record.foreignOrigin(to: SessionBinding(origin: "https://b")) == "https://a")
        let elsewhere = SessionBinding(origin: "https://a", refreshOrigin: "https://evil")
        #expect(record.foreignRefreshOrigin(to: elsewhere) == "https://r")
        #expect(record.configuration == "/c.yaml" && record.source == .recipe)
        record.forgetToken()
        #expect(record.origin == nil && record.refreshOrigin == nil && record.configuration == nil)
    }

    /// A member that is not what it should be, or disagrees with another, never lets a token go elsewhere.
    @Test(arguments: [
        #"{"token":"t","upstream":5}"#, #"{"token":"t","upstream":["https://a"]}"#,
        #"{"token":"t","upstream":"https://a","origin":"https://b"}"#, #"{"token":"t","upstream":""}"#,
    ]) func oddBindings(_ text: String) throws {
        let record = try #require(SessionRecord(parsing: Array(text.utf8)))
        #expect(record.foreignOrigin(to: SessionBinding(origin: "https://a")) != nil)
    }

    private func file(_ text: String) throws -> SessionFile {
        let path = TestDirectory.make() + "/s.json"
        let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT)
        let isWritten = file.writeAll(Array(text.utf8))
        #expect(isWritten)
        return SessionFile(path: path)
    }

    /// Two projects, two APIs, one file that belongs to nobody yet: one of them gets it, and the other never the token.
    @Test func firstUseDecides() throws {
        let file = try file(#"{"token":"t","mine":1}"#)
        let origins = (0..<8).map { "https://\($0).example" }
        let sessions = Guarded<[String: Session]>([:])
        let threads = origins.map { origin in
            NativeThread(name: "bind") {
                let session = try? Session(
                    file: file,
                    source: nil,
                    policy: RefreshPolicy(margin: .zero),
                    binding: SessionBinding(origin: origin)
                )
                sessions.with { $0[origin] = session }
            }
        }
        for thread in threads { thread?.join() }
        let holders = sessions.with { $0.filter { $0.value.token != nil }.map(\.key) }
        #expect(holders.count == 1)
        #expect(try file.load()?.record.origin == holders.first)
        #expect(try file.load()?.record.document["mine"]?.integer == 1)
    }

    @Test func whoLooksWritesNothing() throws {
        let text = #"{"token":"t"}"#
        let file = try file(text)
        let session = try Session(
            file: file,
            source: nil,
            policy: RefreshPolicy(margin: .zero),
            binding: SessionBinding(origin: "https://a"),
            onlyLooks: true
        )
        #expect(session.token != nil)
        #expect(try file.load()?.record.document["origin"] == nil)
    }

    /// Where a directory should be there is a file: it is named, and that is no damage of the session.
    @Test func aPlaceThatIsNoDirectory() {
        let place = TestDirectory.make() + "/state"
        #expect(PrivateFile.create(place, []))
        for path in ["/s.json", "/a/b/s.json"] {
            let error = #expect(throws: SessionFileError.self) { try SessionFile(path: place + path).load() }
            #expect(error?.reason == .noDirectory)
            #expect(error?.description.contains("\(place) is not a directory") == true)
        }
    }

    /// A file whose directory cannot be written is used all the same, as long as its token lives.
    @Test func anUnwritableFileIsUsed() throws {
        let file = try file(#"{"token":"t"}"#)
        mkdir(file.path + ".lock", 0o700)
        let session = try Session(
            file: file,
            source: nil,
            policy: RefreshPolicy(margin: .zero),
            binding: SessionBinding(origin: "https://a")
        )
        #expect(session.token != nil)
        #expect(file.writeProblem() != nil)
    }

    /// Somebody else's session is neither overwritten nor forgotten.
    @Test func anothersSessionStays() throws {
        let file = try file(#"{"token":"t","origin":"https://b"}"#)
        let session = try Session(
            file: file,
            source: nil,
            policy: RefreshPolicy(margin: .zero),
            binding: SessionBinding(origin: "https://a")
        )
        let version = file.version()
        let latch = Latch<Result<Void, SessionFileError>>()
        session.adopt(TokenSet(accessToken: try #require(Token("new"))), .signIn, keepsUnsaved: true) { latch.set($0) }
        guard case .failure(let error) = latch.wait(), error.reason == .foreign else {
            Issue.record("it was replaced")
            return
        }
        let forgotten = Latch<Bool>()
        session.forget { _ in forgotten.set(true) }
        _ = forgotten.wait()
        #expect(file.version() == version && session.token == nil)
    }
}
