import Threads

/// Gives the generations of one proxy their numbers, so that they go on when a reload opens another session. Any thread.
public final class GenerationNumbers: Sendable {
    private struct Last: Sendable {
        var number: Generation = 0
        var token: Token?
    }

    private let last = Guarded(Last())

    public init() {}

    /// The number of `token`, nil being none: that of the last one if it is the same, else the next. From 1.
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
