import HTTP1
import ReverseProxy
import Testing

@testable import Diagnosis

@Suite struct ConfigurationMeaningTests {
    /// Names what another server that refreshes tokens does not get.
    @Test func saysWhichHeadersStayAtTheUpstream() {
        func origin(_ host: String) -> Origin { Origin(isSecure: true, authority: Authority(host: host, port: nil)) }
        var configuration = ProxyConfiguration(upstream: origin("a.example"))
        configuration.headers = [
            HeaderRule(name: "X-Api-Key", value: "k3y"), HeaderRule(name: "X-Plain", value: "p"),
            HeaderRule(name: "X-Auth", value: "b"),
        ]
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/r", token: "/t")
        func withheld() -> [String] {
            configuration.session.refresh = recipe
            return ConfigurationMeaning(configuration).lines.map(\.text).filter { $0.contains(" gets no ") }
        }
        #expect(withheld().isEmpty)
        recipe.origin = origin("a.example")
        #expect(withheld().isEmpty)
        recipe.origin = origin("b.example")
        #expect(withheld().count == 1 && withheld()[0].hasPrefix("https://b.example gets no X-Api-Key, X-Auth: "))
        recipe.headers = [HeaderRule(name: "x-api-key", value: ""), HeaderRule(name: "x-auth", value: "theirs")]
        #expect(withheld().isEmpty)
    }
}
