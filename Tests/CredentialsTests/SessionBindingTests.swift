import Credentials
import Testing

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
        record.put(try #require(Token("first")), source: .signIn, upstream: "https://a", now: 1_000_000)
        record.bind(binding)
        record.put(try #require(Token("second")), source: .refresh, upstream: "https://a", now: 1_000_000)
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
}
