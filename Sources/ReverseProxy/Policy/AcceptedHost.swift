import HTTP1
import Platform

/// The Host that the access policy accepted last on a connection, whose requests repeat it, and what follows from it.
struct AcceptedHost {
    private(set) var octets: [UInt8] = []
    /// How cookies are treated for a client that uses this Host.
    private(set) var cookies = CookieRule.keep

    /// Decides whether the request may pass, before anything is sent for it. `bytes` are what `head` was parsed from.
    /// Allocates nothing if the Host is the one of last time.
    mutating func admission(
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        _ proxy: ProxyContext,
        _ listener: ListenerKind
    ) -> Admission {
        var admission = decide(head, bytes, proxy, listener)
        if let basePath = proxy.basePath { admission.locate(head, bytes, under: basePath, proxy.access) }
        return admission
    }

    private mutating func decide(
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        _ proxy: ProxyContext,
        _ listener: ListenerKind
    ) -> Admission {
        // The common case: the same Host as last time, and no other field that matters.
        if !Admission.needsLook(head, bytes, proxy.access) {
            guard let host = head.host else { return Admission(.forward) }
            if isSame(UnsafeRawBufferPointer(rebasing: bytes[host.range])) { return Admission(.forward) }
        }
        let admission = Admission(head, bytes, proxy.access)
        if case .forward = admission.decision, let host = head.host {
            accept(bytes[host.range], listener == .loopback ? proxy.configuration.cookies : .keep)
        }
        return admission
    }

    /// `cookies` is the rule for names of this machine.
    private mutating func accept(_ host: Slice<UnsafeRawBufferPointer>, _ cookies: CookieRule) {
        octets = Array(host)
        let isLoopbackName = Authority(String(decoding: host, as: UTF8.self))?.isLoopback ?? false
        self.cookies = isLoopbackName ? cookies : .keep
    }

    /// Uses memcmp(3): comparing the same 15 bytes as sequences took 340 instructions.
    private func isSame(_ host: UnsafeRawBufferPointer) -> Bool {
        host.count == octets.count
            && octets.withUnsafeBytes { memcmp($0.baseAddress!, host.baseAddress!, host.count) == 0 }
    }
}
