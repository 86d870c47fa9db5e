import Credentials

/// Decides whether an answer means "token rejected".
package struct RejectionPolicy: Sendable {
    package enum Verdict: Equatable, Sendable {
        case accepted
        case rejected
        /// The body decides.
        case needsBody
    }

    private let rules: [SessionConfiguration.Rejection]

    package init(_ rules: [SessionConfiguration.Rejection]) {
        self.rules = rules
    }

    @inline(__always)
    package func verdict(status: Int) -> Verdict {
        // Success is the common case and never means rejected, unless configured so.
        var verdict = Verdict.accepted
        for rule in rules where rule.status == status {
            if rule.body == nil { return .rejected }
            verdict = .needsBody
        }
        return verdict
    }

    package func isRejected(status: Int, body: [UInt8]) -> Bool {
        guard let json = JSONValue(parsing: body) else { return false }
        return rules.contains { rule in
            guard rule.status == status, let expected = rule.body else { return false }
            switch json.value(at: expected.pointer) {
            case .string(let text): return text == expected.equals
            case .number(let text): return text == expected.equals
            case .bool(let value): return String(value) == expected.equals
            default: return false
            }
        }
    }
}
