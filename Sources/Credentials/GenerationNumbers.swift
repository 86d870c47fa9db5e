import Threads

/// Numbers the generations of one proxy, so that they continue when a reload opens another session. Any thread.
public final class GenerationNumbers: Sendable {
    private struct Last: Sendable {
        var number: Generation = 0
        var token: Token?
    }

    private let last = Guarded(Last())

    public init() {}

    /// The number for `token`, or for none if nil: the last one for the same token, otherwise the next. Starts at 1.
    func number(of token: Token?) -> Generation {
        last.with { last in
            if last.number == 0 || last.token != token {
                last.number &+= 1
                last.token = token
            }
            return last.number
        }
    }
}
