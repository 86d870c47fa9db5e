import Testing

@testable import Settings

@Suite struct CredentialFileTests {
    @Test(arguments: [
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n", true),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nx\n", true),
        ("-----BEGIN EC PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n\r\nx\r\n", true),
        (
            "text\n-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            true
        ),
        ("-----BEGIN PRIVATE KEY-----\nx\n", false), ("-----BEGIN EC PRIVATE KEY-----\nx\n", false),
        // The first key is the one that is used.
        ("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n", false),
    ])
    func pemKeys(_ text: String, _ isProtected: Bool) {
        let problem = CredentialFile(Array(text.utf8)).keyProblem("/k")
        #expect(problem?.hasPrefix("is protected by a pass phrase") ?? false == isProtected)
        if !isProtected { #expect(problem == nil) }
    }

    @Test(
        arguments: [
            ([0x30, 0x05, 0x02, 0x01, 0x00, 0x05, 0x00], CredentialFile.key),
            ([0x30, 0x82, 0x00, 0x05, 0x02, 0x01, 0x01, 0x05, 0x00], .key),
            ([0x30, 0x03, 0x02, 0x01, 0x03], .pkcs12), ([0x30, 0x80, 0x02, 0x01, 0x03], .pkcs12),
            ([0x30, 0x08, 0x30, 0x04, 0x06, 0x02, 0x2A, 0x03, 0x04, 0x00], .encryptedKey),
            ([0x30, 0x08, 0x30, 0x04, 0x06, 0x02, 0x2A, 0x03, 0x03, 0x00], .unknown),
            ([0x30, 0x04, 0x30, 0x02, 0xA0, 0x00], .certificate), ([0x30], .unknown), ([0x30, 0x84, 0xFF], .unknown),
            ([0x30, 0x02, 0x30, 0x84], .unknown), ([0xFF, 0xFE, 0x2D, 0x00], .wideText), ([], .empty),
            ([0x20, 0x0A], .empty),
        ] as [([UInt8], CredentialFile)]
    )
    func der(_ bytes: [UInt8], _ expected: CredentialFile) {
        #expect(CredentialFile(bytes) == expected)
    }

    /// Whatever a file holds, somebody gets a sentence, and nothing traps.
    @Test func anyBytes() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            var bytes = (0..<Int.random(in: 0..<24)).map { _ in UInt8.random(in: 0...255, using: &random) }
            if Bool.random(), !bytes.isEmpty { bytes[0] = 0x30 }
            if Bool.random(), bytes.count > 2 { bytes[1] = UInt8.random(in: 0x80...0x85) }
            let file = CredentialFile(bytes)
            _ = (file.keyProblem("/k"), file.certificateProblem("/k"))
        }
    }

    @Test(arguments: [
        ("plain: é 漢", "plain: é 漢"), ("a\u{1B}[31m", #"a\x1B[31m"#), ("a\r\nb", #"a\x0D\x0Ab"#),
        ("\u{202E}", #"\u{202E}"#),
        ("\u{9B}\u{7F}\0", #"\x9B\x7F\x00"#),
    ])
    func escaped(_ text: String, _ expected: String) {
        #expect(ControlCharacters.escaped(text) == expected)
    }
}
