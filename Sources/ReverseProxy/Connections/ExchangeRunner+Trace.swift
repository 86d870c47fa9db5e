import EventIO
import HTTP1
import Upstream

/// Steps that are reported at the levels `debug` and `trace`. Called at no other level, and everything here allocates.
extension ExchangeRunner {
    func trace(_ step: ExchangeStep) {
        guard step.detail <= proxy.detail else { return }
        proxy.observer?.exchange(request.id, step)
    }

    /// The request is parsed; `bytes` are its head, and `path` is the part that patterns are compared with.
    @inline(never)
    func traceBeginning(
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        _ path: UnsafeRawBufferPointer,
        hasOwnCredential: Bool
    ) {
        request.clientFields = HeadEdits.Fields(bytes, secrets: request.context.sessionView.secrets)
        let match = proxy.routes.match(
            method: UnsafeRawBufferPointer(rebasing: bytes[head.methodRange.range]),
            path: path
        )
        let bearer: ExchangeStep.Bearer =
            hasOwnCredential ? .client : exchange.rules.carriesCredential ? .session : .none
        trace(.routed(exchange.rules.route, pattern: match?.pattern?.description, bearer))
    }

    /// An attempt has its connection, and its head is complete.
    @inline(never)
    func traceAttempt(isReused: Bool) {
        let settings = proxy.configuration.upstreamSettings
        let link = ExchangeStep.Link(isReused: isReused, isSecure: settings.isSecure, proxy: settings.proxyName)
        trace(.attempt(exchange.attempts, generation: exchange.generation, link))
        guard let before = request.clientFields else { return }
        // The next attempt differs only in its credential.
        request.clientFields = nil
        let head = UnsafeRawBufferPointer(rebasing: request.head.readable[..<request.headLength])
        let after = HeadEdits.Fields(head, secrets: request.context.sessionView.secrets)
        trace(.requestEdited(HeadEdits(from: before, to: after)))
    }

    @inline(never)
    func traceAnswer(_ verdict: RejectionPolicy.Verdict) {
        let told: ExchangeStep.Verdict =
            switch verdict {
            case .accepted: .accepted
            case .rejected: .rejected
            case .needsBody: .undecided
            case .unknown: .unknown
            }
        trace(.answered(status: responseHead.status, told, protocolVersion: attempt?.connection.protocolVersion))
    }

    /// `before` is the upstream's head, `after` the client's.
    @inline(never)
    func traceResponse(_ before: UnsafeRawBufferPointer, _ after: UnsafeRawBufferPointer) {
        let secrets = request.context.sessionView.secrets
        let fields = (HeadEdits.Fields(before, secrets: secrets), HeadEdits.Fields(after, secrets: secrets))
        trace(.responseEdited(HeadEdits(from: fields.0, to: fields.1)))
    }
}
