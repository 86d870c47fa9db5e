import Testing
import Upstream

@testable import SharedSession

@Suite struct EtcdProblemTests {
    private typealias Row = (status: Int, body: String, effect: EtcdProblem.Effect, kind: SharedStoreFailure.Kind)

    @Test func whatEtcdSays() {
        let rows: [Row] = [
            (400, EtcdSamples.problem("etcdserver: user name is empty", 3), .staleToken, .denied),
            (401, EtcdSamples.problem("etcdserver: invalid auth token", 16), .staleToken, .denied),
            (401, "", .staleToken, .denied),
            (400, EtcdSamples.problem("etcdserver: revision of auth store is old", 3), .staleToken, .denied),
            (
                400, EtcdSamples.problem("etcdserver: authentication failed, invalid user ID or password", 3), .refused,
                .denied
            ),
            (403, EtcdSamples.problem("etcdserver: permission denied", 7), .refused, .denied),
            (
                412, EtcdSamples.problem("etcdserver: authentication is not enabled", 9), .withoutAuthentication,
                .configuration
            ),
            (400, EtcdSamples.problem("etcdserver: request is too large", 3), .refused, .configuration),
            (503, EtcdSamples.problem("etcdserver: mvcc: database space exceeded", 8), .refused, .unavailable),
            (
                503, EtcdSamples.problem("etcdserver: request timed out, possibly due to previous leader failure", 14),
                .unclear, .unavailable
            ),
            (503, EtcdSamples.problem("etcdserver: leader changed", 14), .unclear, .unavailable),
            (500, EtcdSamples.problem("context deadline exceeded", 2), .unclear, .unavailable),
            (408, "", .unclear, .unavailable),
            (502, "<html>bad gateway</html>", .unclear, .unavailable),
            (404, "404 page not found\n", .elsewhere, .configuration),
            (404, "Not Found\n", .elsewhere, .configuration),
            (302, "", .unclear, .damaged),
            (400, "Client sent an HTTP request to an HTTPS server.\n", .elsewhere, .configuration),
            // The second version of the gateway has no `error`; streams have an object in it.
            (401, #"{"code":16,"message":"etcdserver: invalid auth token","details":[]}"#, .staleToken, .denied),
            (0, EtcdSamples.stopping, .unclear, .unavailable),
            (0, #"{"error":{"code":7,"message":"etcdserver: permission denied"}}"#, .refused, .denied),
        ]
        for row in rows {
            let problem = EtcdProblem(status: row.status, body: Array(row.body.utf8))
            #expect(problem.effect == row.effect && problem.failure.kind == row.kind, "\(row) \(problem)")
        }
    }

    @Test func commonNameTrapIsWorded() {
        let text = "CommonName of client sending a request against gateway will be ignored and not used as expected\n"
        let problem = EtcdProblem(status: 400, body: Array(text.utf8))
        #expect(problem.effect == .refused && problem.failure.kind == .configuration)
        #expect(problem.failure.detail.contains("Common Name"))
        #expect(problem.failure.advice.contains("etcdctl works with both") == true)
    }

    /// A client certificate is nobody to etcd's gateway: without a user it is the user that is missing, not the role.
    @Test func permissionThatNobodyHasIsWorded() {
        let body = EtcdSamples.problem("etcdserver: permission denied", 7)
        let problem = EtcdProblem(status: 403, body: Array(body.utf8))
        #expect(problem.failure.advice.contains("READWRITE") == true)
        #expect(problem.withoutUser.failure.advice == "Set user and password of session.shared.")
        let other = EtcdProblem(status: 503, body: [])
        #expect(other.withoutUser == other)
    }

    @Test func gatewayThatIsOffIsWorded() {
        let problem = EtcdProblem(status: 404, body: Array("404 page not found\n".utf8))
        #expect(problem.failure.advice.contains("enable-grpc-gateway: true") == true)
    }

    /// A member's own words are never repeated: they may hold what was sent.
    @Test func unknownSentencesAreNotQuoted() {
        for status in [0, 200, 302, 400, 409, 418, 500, 599] {
            for body in [
                EtcdSamples.problem("s3cret \u{1B}[2J", 3), "s3cret", #"{"error":{"message":"s3cret","grpc_code":3}}"#,
            ] {
                let failure = EtcdProblem(status: status, body: Array(body.utf8)).failure
                #expect(!"\(failure)".contains("s3cret"))
            }
        }
    }

    /// Whatever a peer has against it; our own verdict on the peer's is another matter.
    @Test func certificateThatIsNotTakenIsWorded() {
        for words in [
            "sslv3 alert certificate expired", "SSL certificate verification failed", "sslv3 alert bad certificate",
            "tlsv1 alert unknown ca", "sslv3 alert certificate unknown", "sslv3 alert certificate revoked",
        ] {
            let error = UpstreamError(kind: .tls, detail: "OpenSSL: \(words)")
            #expect(EtcdProblem(.notSent(error), at: "https://a:2379").failure.wantsCertificate, "\(words)")
        }
        for words in ["SSL certificate problem: certificate has expired", "unable to get local issuer certificate"] {
            let error = UpstreamError(kind: .tls, detail: words)
            #expect(!EtcdProblem(.notSent(error), at: "https://a:2379").failure.wantsCertificate, "\(words)")
        }
    }

    @Test func certificateThatIsMissingIsWorded() {
        let error = UpstreamError(kind: .reset, detail: "OpenSSL SSL_read: tlsv13 alert certificate required, errno 0")
        let problem = EtcdProblem(.noResponse(error), at: "https://a:2379")
        #expect(problem.effect == .unclear && problem.failure.kind == .configuration)
        #expect(problem.failure.advice.contains("no Common Name") == true)
        #expect(problem.failure.wantsCertificate)
        let refused = UpstreamError(kind: .unreachable, detail: "Failed to connect")
        #expect(!EtcdProblem(.notSent(refused), at: "https://a:2379").failure.wantsCertificate)
        #expect(EtcdProblem(.notSent(refused), at: "https://a:2379").effect == .elsewhere)
        #expect(EtcdProblem(.notSent(refused), at: "https://a:2379").failure.kind == .unreachable)
    }
}
