import Testing

@testable import Upstream

@Suite struct ProxySettingTests {
    @Test(
        arguments: [
            ("http://proxy:3128", "proxy:3128"), ("http://user:p%40ss@proxy:3128", "proxy:3128"),
            ("https://u@p@proxy", "proxy"), ("socks5h://[::1]:1080/x?y#z", "[::1]:1080"), ("proxy:3128", "proxy:3128"),
        ]
    )
    func theNameHoldsNoCredentials(_ url: String, _ name: String) {
        #expect(UpstreamSettings.Proxy.url(url).name == name)
    }

    @Test func aProxyOfTheEnvironmentMayBeAnything() {
        let proxy = UpstreamSettings.Proxy.environment
        #expect(proxy.mayHaveCredentials && proxy.mayBeSecure && !proxy.usesConnect && proxy.name == nil)
    }

    @Test(arguments: [("http://p", true), ("https://p", true), ("socks5://p", false), ("socks5h://p", false)])
    func onlyHTTPProxiesAreAskedWithCONNECT(_ url: String, _ isAsked: Bool) {
        #expect(UpstreamSettings.Proxy.url(url).usesConnect == isAsked)
    }
}
