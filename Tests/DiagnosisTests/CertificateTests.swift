import Support
import Testing

@testable import Diagnosis

@Suite
struct CertificateTests {
    /// Made by openssl(1): CN=api.example.com, O=Example AG, C=CH, with two addresses, an e-mail and two names.
    static let pem = """
        -----BEGIN CERTIFICATE-----
        MIICGjCCAb+gAwIBAgIUQhsnxZnmwri8YPYcIQ39WwEzgLMwCgYIKoZIzj0EAwIw
        PDELMAkGA1UEBhMCQ0gxEzARBgNVBAoMCkV4YW1wbGUgQUcxGDAWBgNVBAMMD2Fw
        aS5leGFtcGxlLmNvbTAeFw0yNjExMjYxMzUwMjdaFw0yNjExMjcxMzUwMjdaMDwx
        CzAJBgNVBAYTAkNIMRMwEQYDVQQKDApFeGFtcGxlIEFHMRgwFgYDVQQDDA9hcGku
        ZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARLERPRc7uXlczx
        RqomYW5Ai101oMmk9V7/XhNcqoawmConNLRi6dnjfFzLtuzItVbgJrVQAyHmGH05
        nCjPLvFTo4GeMIGbMB0GA1UdDgQWBBRvGujZ9YXfw/8ixPRIPQWZ4ba9vzAfBgNV
        HSMEGDAWgBRvGujZ9YXfw/8ixPRIPQWZ4ba9vzAPBgNVHRMBAf8EBTADAQH/MEgG
        A1UdEQRBMD+CD2FwaS5leGFtcGxlLmNvbYcECgECA4cQIAENuAAAAAAAAAAAAAAA
        BYEFYUBiLmOCDSouZXhhbXBsZS5jb20wCgYIKoZIzj0EAwIDSQAwRgIhAO0zi3ZY
        5CM3IyuFuGeoqyXqKbVHV8MFP0H1vNIl93KPAiEAw9uoUySLEp6ryLwHjp8x5lVz
        24vLabxexx/p08HvBBg=
        -----END CERTIFICATE-----
        """

    static var der: [UInt8] {
        let lines = pem.split(separator: "\n").dropFirst().dropLast()
        return Base64URL.decode(lines.joined())!  // A constant.
    }

    @Test
    func saysWhoByWhomUntilWhenAndForWhom() throws {
        let certificate = try #require(Certificate(der: Self.der))
        #expect(certificate.subject == "CN=api.example.com, O=Example AG")
        #expect(certificate.issuer == certificate.subject)
        #expect(certificate.isSelfIssued)
        #expect(UTCTime.text(certificate.notBefore) == "2026-11-26 13:50:27 UTC")
        #expect(UTCTime.text(certificate.notAfter) == "2026-11-27 13:50:27 UTC")
        #expect(certificate.names == ["api.example.com", "10.1.2.3", "2001:db8::5", "*.example.com"])
    }

    @Test(arguments: ["\n", "\r\n", "\r"])
    func findsAllInAFile(_ lineEnd: String) {
        let lines = Self.pem.split(separator: "\n").joined(separator: lineEnd)
        let other = "-----BEGIN PRIVATE KEY-----\(lineEnd)AAAA\(lineEnd)-----END PRIVATE KEY-----\(lineEnd)"
        let text = "# text" + lineEnd + lines + lineEnd + other + lines + lineEnd
        #expect(Certificate.all(pem: Array(text.utf8)).count == 2)
        #expect(
            Certificate.all(pem: Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".utf8)).isEmpty
        )
    }

    /// Whatever stands in it: a certificate or none, and no trap.
    @Test
    func survivesEveryCutAndEveryChangedByte() {
        let der = Self.der
        for count in 0..<der.count { #expect(Certificate(der: Array(der[..<count])) == nil) }
        for index in der.indices {
            for value: UInt8 in [0x00, 0x7F, 0x80, 0x84, 0xFF, 0x1F, 0x30] {
                var changed = der
                changed[index] = value
                _ = Certificate(der: changed)
            }
        }
    }

    @Test(arguments: [
        ([0, 0, 0, 0, 0, 0, 0, 1], "::1"), ([0, 0, 0, 0, 0, 0, 0, 0], "::"), ([1, 0, 0, 2, 0, 0, 0, 3], "1:0:0:2::3"),
        ([0xFE80, 0, 0, 0, 0, 0, 0, 0], "fe80::"), ([1, 0, 2, 3, 4, 5, 6, 7], "1:0:2:3:4:5:6:7"),
    ])
    func writesIPv6(_ groups: [Int], _ text: String) {
        #expect(IPv6Text.text(groups) == text)
    }

    @Test(arguments: [
        (1970, 1, 1, 0), (2000, 2, 29, 951_782_400), (2026, 11, 27, 1_795_737_600), (9999, 12, 31, 253_402_214_400),
    ])
    func countsDays(_ year: Int, _ month: Int, _ day: Int, _ seconds: Int) {
        #expect(UTCTime.seconds(year: year, month: month, day: day, secondOfDay: 0) == seconds)
    }

    @Test(arguments: [(2026, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 0, 1), (2026, 1, 0), (-1, 1, 1)])
    func knowsNoSuchDay(_ year: Int, _ month: Int, _ day: Int) {
        #expect(UTCTime.seconds(year: year, month: month, day: day, secondOfDay: 0) == nil)
    }
}
