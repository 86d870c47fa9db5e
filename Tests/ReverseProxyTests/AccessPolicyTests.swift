import HTTP1
import ReverseProxy
import Testing

@Suite struct AccessPolicyTests {
    private let policy = AccessPolicy(
        AccessConfiguration(),
        upstream: Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil)),
        ownHosts: []
    )

    @Test func hostOfAnotherNameIs421() {
        for host in ["localhost:8080", "127.0.0.1", "api.example.com", "api.example.com:443"] {
            #expect(policy.denial(.init(host: host)) == nil)
        }
        for host in ["evil.example", "api.example.com:444", "api.example.com.evil.example", "[::2]", "x.localhost", ""]
        {
            #expect(policy.denial(.init(host: host))?.code == .misdirectedRequest)
        }
        #expect(policy.denial(.init(host: "localhost", targetAuthority: "evil.example"))?.status == 421)
    }

    @Test func pagesOfOtherOriginsAre403() {
        #expect(policy.denial(.init(host: "localhost:1", origin: "http://localhost:1")) == nil)
        for origin in ["http://localhost:2", "https://evil.example", "null", "https://localhost:1"] {
            #expect(policy.denial(.init(host: "localhost:1", origin: origin))?.code == .forbiddenOrigin)
        }
        for site in ["cross-site", "same-site", "something-new", "none, none"] {
            #expect(policy.denial(.init(host: "localhost", fetchSite: site))?.code == .forbiddenOrigin)
        }
        #expect(policy.denial(.init(host: "localhost", fetchSite: "none")) == nil)
    }

    @Test func configuredOriginsStillNeedTheKey() {
        var access = AccessConfiguration()
        access.origins = ["http://localhost:3000"]
        access.key = Array("secret-of-16-bytes".utf8)
        let policy = AccessPolicy(
            access,
            upstream: Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil)),
            ownHosts: []
        )
        let page = AccessPolicy.Request(host: "localhost", origin: "http://localhost:3000", fetchSite: "same-site")
        #expect(policy.denial(page)?.code == .wrongKey)
        // A browser asks first without the key; the request itself carries it.
        #expect(policy.denial(page, isPreflight: true) == nil)
        for origin in ["http://localhost:3000.evil.example", "http://localhost:3000, http://localhost:3000"] {
            let other = AccessPolicy.Request(host: "localhost", origin: origin)
            #expect(policy.denial(other, isPreflight: true)?.code == .forbiddenOrigin)
        }
    }

    @Test func whatABrowserFetchesAheadIs403() {
        for purpose in ["prefetch", "prefetch;prerender", "PREFETCH;anonymous-client-ip", "prerender", "x, prefetch"] {
            #expect(
                policy.denial(.init(host: "localhost", fetchSite: "none", purpose: purpose))?.code == .forbiddenOrigin
            )
        }
        #expect(policy.denial(.init(host: "localhost", fetchSite: "none", purpose: "")) == nil)
    }

    /// Browsers send no Sec-Fetch-Site to a name that is not this machine's, so its absence proves nothing there.
    @Test(arguments: ["Mozilla/5.0 (X11; Linux x86_64)", "curl, Mozilla/5.0"])
    func browserWithoutSecFetchSiteNeedsTheKey(_ agent: String) {
        var access = AccessConfiguration()
        access.hosts = ["box.lan", "0.0.0.0", "x.localhost"]
        let upstream = Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil))
        let open = AccessPolicy(access, upstream: upstream, ownHosts: [])
        access.key = Array("secret-of-16-bytes".utf8)
        let keyed = AccessPolicy(access, upstream: upstream, ownHosts: [])
        for host in ["box.lan", "0.0.0.0:8080", "api.example.com", "x.localhost"] {
            let problem = open.denial(.init(host: host, userAgent: agent))
            #expect(problem?.code == .forbiddenOrigin && problem?.detail.contains("X-Squire-Key") == true)
            #expect(open.denial(.init(host: host, fetchSite: "none", userAgent: agent)) == nil)
            #expect(
                open.denial(.init(host: host, userAgent: "curl/8.5")) == nil && open.denial(.init(host: host)) == nil
            )
            #expect(keyed.denial(.init(host: host, userAgent: agent))?.code == .wrongKey)
            #expect(keyed.denial(.init(host: host, userAgent: agent, key: access.key)) == nil)
        }
        for host in ["localhost", "127.0.0.1:8080", "[::1]"] {
            #expect(open.denial(.init(host: host, userAgent: agent)) == nil)
        }
        #expect(open.denial(.init(host: "localhost", targetAuthority: "box.lan", userAgent: agent))?.status == 403)
    }
}
