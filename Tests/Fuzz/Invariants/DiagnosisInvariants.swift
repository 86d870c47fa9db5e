import Diagnosis
import HTTP1
import ReverseProxy
import Support
import Upstream

/// Whatever a server shows of itself, `squire check` reads it to the end, and says it on one line that acts on no
/// terminal: as a certificate, as a file of certificates, and as the fields of a response.
enum DiagnosisInvariants {
    static func check(_ bytes: [UInt8]) throws {
        let certificate = Certificate(der: bytes)
        for certificate in Certificate.all(pem: bytes) + [certificate].compactMap({ $0 }) {
            try require(
                UTCTime.range.contains(certificate.notBefore) && UTCTime.range.contains(certificate.notAfter),
                "a moment is out of all bounds"
            )
            try require(certificate.names.count <= 1000, "the names have no bound")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        for status in [200, 302, 429] {
            let fields = ["Location", "Date", "Retry-After"].map { (name: $0, value: text) }
            try check(.response(.init(status: status, fields: fields, body: bytes)))
        }
        for cause in [RequestReport.Cause.wrongName, .untrusted(9), .untrusted(10), .untrusted(20), .untrusted(68)] {
            let error = UpstreamError(kind: .tls, detail: "detail")
            try check(.failed(.init(stage: .securing, cause: cause, error: error)), bytes)
        }
    }

    private static func check(_ outcome: RequestReport.Outcome, _ certificate: [UInt8]? = nil) throws {
        let report = RequestReport(
            outcome: outcome,
            certificates: .init(peer: certificate, faulty: certificate, depth: 1)
        )
        let diagnosis = ConnectionDiagnosis(
            upstream: Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil)),
            files: .init(TLSConfiguration()),
            limits: .init(connect: .seconds(2), answer: .seconds(2)),
            clock: .init(started: 1_800_000_000, ended: 1_800_000_001)
        )
        let lines = diagnosis.lines(report, to: "GET /").map(\.description)
        try require(!lines.isEmpty, "nothing is said")
        for line in lines {
            try require(line.unicodeScalars.count < 8192, "a line has no bound")
            let acts = line.unicodeScalars.contains { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }
            try require(!acts, "a line acts on a terminal")
        }
    }
}
