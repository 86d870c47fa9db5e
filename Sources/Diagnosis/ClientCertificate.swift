public import SharedSession
import Support

extension Certificate {
    /// Why nobody takes it at that moment, in seconds since 1970, and what helps; nil if its dates allow it.
    func fault(now: Int) -> (words: String, cure: String)? {
        if notAfter < now { return ("expired on \(UTCTime.text(notAfter))", "get a new one") }
        guard now < notBefore else { return nil }
        return (
            "is not valid before \(UTCTime.text(notBefore))",
            "this machine's clock says \(UTCTime.text(now)): wait, get another, or set the clock"
        )
    }
}

/// The client certificate that this machine shows the engine of a shared session.
public struct ClientCertificate: Sendable {
    /// The file's.
    public var path: String
    public var certificate: Certificate

    public init(path: String, _ certificate: Certificate) {
        self.path = path
        self.certificate = certificate
    }
}

extension SharedStoreFailure {
    /// The same; where the engine wants another certificate than `shown`, and that one's dates are the reason, it says
    /// so. `now` is seconds since 1970.
    public func naming(_ shown: ClientCertificate?, now: Int) -> SharedStoreFailure {
        guard wantsCertificate, let shown, let fault = shown.certificate.fault(now: now) else { return self }
        var named = self
        named.advice =
            "The one that session.shared names, \(shown.path), \(ConnectionDiagnosis.title(shown.certificate)), \(fault.words): "
            + "\(fault.cure)."
        return named
    }
}

extension EtcdExamination.Member {
    /// The same for what a member said.
    public func naming(_ shown: ClientCertificate?, now: Int) -> EtcdExamination.Member {
        var named = self
        named.result = result.mapError { $0.naming(shown, now: now) }.map { answer in
            var answer = answer
            answer.writing = answer.writing?.naming(shown, now: now)
            return answer
        }
        return named
    }
}
