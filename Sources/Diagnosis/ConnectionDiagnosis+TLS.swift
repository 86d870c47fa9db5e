import HTTP1
import ReverseProxy
import Settings
import Support
import Upstream

/// Explains why TLS failed: which certificate, whose, its validity, and who can fix what.
extension ConnectionDiagnosis {
    func untrusted(_ failure: RequestReport.Failure, _ report: RequestReport) -> String {
        let peer = report.certificates.peer.flatMap(Certificate.init(der:))
        switch failure.cause {
        case .untrusted(let fault):
            let faulty = report.certificates.faulty.flatMap(Certificate.init(der:))
            return untrusted(fault, faulty ?? peer, peer, report)
        case .wrongName: return wrongName(peer)
        case .alert(let number): return ended(by: number)
        case .notTLS:
            return "\(place) does not speak TLS; it may speak plain HTTP: check the port of upstream, or write "
                + "upstream: \(upstream.otherScheme)\(plainAdvice)"
        case .incompatible:
            return
                "\(place) and this machine have no version or cipher of TLS in common (\(failure.error.detail)): its "
                + "operator has to allow TLS 1.2 or 1.3"
        case .files:
            let names = [files.paths.certificate, files.paths.key, files.paths.authorities].compactMap { $0 }
            guard !names.isEmpty else {
                return "this machine's list of authorities cannot be read: \(failure.error.detail): install it "
                    + "(ca-certificates), or name a file of them: tls: {ca: FILE}"
            }
            return "a file under tls: cannot be used: \(failure.error.detail): check \(names.joined(separator: ", "))"
        case .timeout:
            return "\(place) accepts the connection and does not answer the TLS handshake within "
                + "\(Quantity.text(limits.connect)): check that this is a port of https://, and whether a firewall holds "
                + "TLS up"
        case .closed:
            return
                "\(place) closes the connection during the TLS handshake: check that this is a port of https://, and "
                + "whether a firewall or a proxy: stands between"
        case .unresolved, .notConnected, .notHTTP, .other:
            return "\(failure.error.detail): \(failure.error.advice ?? "ask the API's operator")"
        }
    }

    private var plainAdvice: String {
        upstream.authority.isLoopback ? "" : " with allow-plain-upstream: true, which sends the token in the clear"
    }

    // MARK: Certificates

    /// `fault` is OpenSSL's `X509_V_ERR_…`.
    private func untrusted(
        _ fault: Int,
        _ faulty: Certificate?,
        _ peer: Certificate?,
        _ report: RequestReport
    ) -> String {
        guard let faulty else {
            // Another TLS library, which does not say.
            if case .failed(let failure) = report.outcome {
                return "\(failure.error.detail): \(failure.error.advice ?? "ask the API's operator")"
            }
            return "the certificate is not accepted: ask the API's operator"
        }
        let isAuthority = report.certificates.depth > 0
        let title = isAuthority ? "the authority's \(Self.title(faulty))" : "the \(Self.title(faulty))"
        switch fault {
        case 9:
            let start = "\(title), is not valid before \(UTCTime.text(faulty.notBefore))"
            let cure = "the API's operator has to wait with it, or issue another"
            return "\(start); \(time(report, otherwise: cure))"
        case 10:
            let end = "\(title), expired on \(UTCTime.text(faulty.notAfter))"
            let isOurs = files.authorities.contains(faulty)
            let cure =
                isOurs && isAuthority
                ? "put a new one into tls.ca (\(files.paths.authorities ?? ""))" : "the API's operator has to renew it"
            return "\(end); \(time(report, otherwise: cure))"
        case 18, 19, 2, 20, 21, 27: return "\(title): \(unknownAuthority(faulty))"
        case 23: return "\(title), has been revoked: the API's operator has to replace it"
        case 26, 79, 24:
            return
                "\(title), was not issued for this use (\(Self.word(of: fault))): the API's operator has to replace it"
        case 62, 64: return wrongName(peer)
        case 66, 67, 68:
            return
                "\(title), is too weak for this machine (\(Self.word(of: fault))): the API's operator has to replace it"
        default:
            return "\(title), is not accepted (\(Self.word(of: fault))): ask the API's operator"
        }
    }

    /// No trusted authority has signed it.
    private func unknownAuthority(_ faulty: Certificate) -> String {
        let isSelf = faulty.isSelfIssued
        let issuer = isSelf ? "it" : Self.name(faulty.issuer)
        let needed = isSelf ? "it" : "the certificate of \(issuer)"
        let between =
            isSelf ? "" : ". If \(issuer) is signed by one that is trusted, the API's server has to send it along"
        guard let path = files.paths.authorities else {
            return "this machine does not trust \(issuer). If it is your own or your company's, save \(needed) and "
                + "name the file: tls: {ca: FILE}\(between). Verification cannot be turned off"
        }
        var known = files.authorities.prefix(3).map { Self.name($0.subject) }.joined(separator: " and ")
        if files.authorities.count > 3 { known += " and \(files.authorities.count - 3) more" }
        let content = known.isEmpty ? "" : ", which has \(known)"
        return "\(issuer) is not in tls.ca (\(path)\(content)). If you trust it, put \(needed) into that file\(between)"
    }

    private func wrongName(_ peer: Certificate?) -> String {
        guard let peer else { return "the certificate is not for \(host): use a name in upstream that it has" }
        let title = "the \(Self.title(peer))"
        guard !peer.names.isEmpty else {
            return "\(title), names no host, and so not \(host): the API's operator has to issue one with \(host) in "
                + "subjectAltName"
        }
        return "\(title), is for \(Self.list(peer.names)), and not for \(host): write one of these in upstream, if "
            + "that is the API; else its operator has to add \(host)"
    }

    // MARK: Alerts

    /// The peer ended TLS with that alert (RFC 8446 section 6).
    private func ended(by alert: Int) -> String {
        let name = Self.alerts[alert] ?? "alert"
        let says = "\(place) ends TLS with \(name) (\(alert))"
        switch alert {
        case 116: return "\(says): it wants a client certificate. \(clientCertificateAdvice)"
        case 42...46, 48, 49, 51:
            return files.paths.certificate == nil
                ? "\(says): it wants a client certificate. \(clientCertificateAdvice)"
                : "\(says): it does not accept the client certificate. \(clientCertificateAdvice)"
        case 40 where files.paths.certificate == nil:
            return "\(says): it allows no TLS that this machine speaks, or wants a client certificate. "
                + clientCertificateAdvice
        case 40, 70, 71:
            return "\(says): it allows no TLS that this machine speaks. Its operator has to allow 1.2 or 1.3"
        case 112: return "\(says): it does not know the name \(host). Check upstream"
        default: return "\(says): ask its operator"
        }
    }

    private static let alerts = [
        10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
        42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
        46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
        51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
        112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol",
    ]

    /// Advice for a server that requires a client certificate, or another one.
    var clientCertificateAdvice: String {
        guard let path = files.paths.certificate else {
            return "Get one from the API's operator and name it: tls: {certificate: FILE, key: FILE}"
        }
        guard let certificate = files.certificate else { return "Check tls.certificate (\(path))" }
        let state =
            certificate.fault(now: clock.ended).map { ", \($0.words): \($0.cure)" }
            ?? ", \(Self.validity(certificate)), is the one that is sent: check that the API knows it"
        return "tls.certificate (\(path)), \(Self.title(certificate))\(state)"
    }

    // MARK: Time

    /// Whether this machine's clock is wrong, as far as can be known, and what to do. `cure` is the advice if the clock
    /// is right.
    private func time(_ report: RequestReport, otherwise cure: String) -> String {
        let now = "this machine's clock says \(UTCTime.text(clock.ended))"
        let set = "set this machine's clock, or let NTP keep it"
        if let date = report.proxyDate.flatMap(HTTPDate.seconds) {
            if abs(date - clock.ended) > Self.doubtful {
                return "\(now), and the proxy's \(UTCTime.text(date)): \(set)"
            }
            return "\(now), and the proxy's agrees: \(cure)"
        }
        if let past = clock.past, past.moment - Self.doubtful > clock.ended {
            return "\(now), though \(past.file) was changed on \(UTCTime.text(past.moment)): \(set)"
        }
        return "\(now). If that is the time, \(cure); if not, \(set)"
    }

    /// In seconds.
    private static let doubtful = 3600

    // MARK: Texts

    /// `certificate CN=api.example.com by CN=Example CA`.
    static func title(_ certificate: Certificate) -> String {
        let issuer = certificate.isSelfIssued ? "itself" : name(certificate.issuer)
        return "certificate of \(name(certificate.subject, certificate.names)), issued by \(issuer)"
    }

    private static func name(_ name: String, _ names: [String] = []) -> String {
        name.isEmpty ? names.first?.cut() ?? "nobody" : name.cut()
    }

    static func validity(_ certificate: Certificate) -> String { "valid until \(UTCTime.text(certificate.notAfter))" }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(4).map { $0.cut(80) }.joined(separator: ", ")
        return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
    }

    private static func word(of fault: Int) -> String {
        switch fault {
        case 24, 79: "an authority that is none signed it"
        case 25: "the chain is too long"
        case 26: "wrong purpose"
        case 66: "its key is too small"
        case 67: "its authority's key is too small"
        case 68: "its signature's hash is too weak"
        default: "fault \(fault) of openssl verify"
        }
    }
}
