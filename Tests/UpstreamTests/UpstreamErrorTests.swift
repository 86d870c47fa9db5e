import CCurl
import Platform
import Testing

@testable import Upstream

/// Which of libcurl's codes and texts means what.
@Suite struct UpstreamErrorTests {
    @Test(
        arguments: [
            (CURLE_COULDNT_RESOLVE_HOST, "", .unresolvable), (CURLE_COULDNT_RESOLVE_PROXY, "", .unresolvable),
            (CURLE_COULDNT_CONNECT, "", .unreachable), (CURLE_OPERATION_TIMEDOUT, "", .timeout),
            (CURLE_SSL_CONNECT_ERROR, "wrong version number", .tls),
            (CURLE_SSL_CONNECT_ERROR, "unexpected eof while reading", .handshakeCut),
            (CURLE_SSL_CONNECT_ERROR, "OpenSSL SSL_connect: SSL_ERROR_SYSCALL", .handshakeCut),
            (CURLE_PEER_FAILED_VERIFICATION, "", .tls), (CURLE_SSL_CACERT_BADFILE, "", .configuration),
            (CURLE_URL_MALFORMAT, "", .configuration), (CURLE_RECV_ERROR, "", .reset),
            (CURLE_GOT_NOTHING, "", .reset), (CURLE_OUT_OF_MEMORY, "", .unreachable),
        ] as [(CURLcode, String, UpstreamError.Kind)]
    )
    func eachCodeHasAKind(_ code: CURLcode, _ text: String, _ kind: UpstreamError.Kind) {
        let error = UpstreamError(code: code, text: text, systemError: 0)
        #expect(error.kind == kind && !error.detail.isEmpty)
    }

    @Test func theReasonOfTheSystemIsNamed() {
        let error = UpstreamError(code: CURLE_COULDNT_CONNECT, text: "Failed to connect", systemError: ECONNREFUSED)
        #expect(error.detail == "Failed to connect: connection refused")
    }

    /// libcurl quotes what the peer sent.
    @Test func noByteOfThePeerReachesATerminal() {
        let text = "certificate of \u{1B}[2J\u{7F}é\r\nx"
        let error = UpstreamError(code: CURLE_PEER_FAILED_VERIFICATION, text: text, systemError: 0)
        #expect(error.detail.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
    }

    @Test(
        arguments: [
            ("certificate has expired", "clock"), ("no alternative certificate subject name matches", "name"),
            ("self-signed certificate in certificate chain", "tls.ca"), ("wrong version number", "http://"),
            ("tlsv13 alert certificate required", "tls.certificate"),
        ]
    )
    func theAdviceFitsTheFault(_ text: String, _ word: String) throws {
        let error = UpstreamError(code: CURLE_SSL_CONNECT_ERROR, text: text, systemError: 0)
        #expect(try #require(error.advice).contains(word))
    }
}
