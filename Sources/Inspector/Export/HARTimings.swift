import Support

/// The times of an entry, in milliseconds, rounded to thousandths so that their sum is exact.
struct HARTimings {
    /// Milliseconds after the start of the exchange.
    let startedAt: Int64
    private var blocked = 0.0
    /// Nil if the connection was reused, as for the next two values, or if no name was resolved.
    private var dns: Double?
    private var connect: Double?
    /// Part of `connect`. Nil without TLS.
    private var ssl: Double?
    private var send = 0.0
    private var wait = 0.0
    private var receive = 0.0

    /// `start` is the start of the entry, in milliseconds after the start of the exchange. The last entry of an
    /// exchange extends to its end.
    init(_ exchange: StoredExchange, _ attempt: StoredAttempt?, start: Double, isLast: Bool) {
        startedAt = Int64(min(Self.rounded(start) / 1000, 1e12))
        // There was no attempt.
        guard let attempt else { return }
        let end = isLast ? exchange.age : attempt.ended ?? exchange.age
        // All timestamps come from one clock; missing ones are filled in.
        var last = Self.rounded(start)
        let step = { (moment: Double?) -> Double in
            guard let moment else { return 0 }
            let next = max(last, Self.rounded(moment))
            defer { last = next }
            return next - last
        }
        blocked = step(attempt.began)
        if attempt.isReused {
            blocked += step(attempt.connected)
        } else if let connected = attempt.connected {
            let whole = step(connected)
            dns = attempt.setup.lookup.map { min(whole, Self.rounded($0)) }
            connect = whole - (dns ?? 0)
            ssl = attempt.setup.tls.map { min(connect ?? 0, Self.rounded($0)) }
        }
        // An upload that continues after the first byte of the response does not count as waiting.
        let hasAnswer = attempt.firstByte.map { first in attempt.sent.map { $0 > first } ?? false } ?? false
        send = hasAnswer ? 0 : step(attempt.sent)
        wait = step(attempt.firstByte ?? (attempt.status == nil ? end : nil))
        receive = step(max(end, attempt.firstByte ?? 0))
    }

    private static func rounded(_ moment: Double) -> Double {
        moment.isFinite ? (max(0, moment) * 1000).rounded() : 0
    }

    /// Without `ssl`, which is part of `connect`.
    var total: Double { (blocked + (dns ?? 0) + (connect ?? 0) + send + wait + receive) / 1000 }

    var json: JSONValue {
        let written = { (thousandths: Double?) in thousandths.map { JSONValue.milliseconds($0 / 1000) } ?? .integer(-1)
        }
        return .object([
            .init("blocked", written(blocked)), .init("dns", written(dns)), .init("connect", written(connect)),
            .init("ssl", written(ssl)), .init("send", written(send)), .init("wait", written(wait)),
            .init("receive", written(receive)),
        ])
    }
}
