import Threads

/// Ends a watch's stream from another thread: when a call finds that the endpoint does not answer, and when the store
/// stops. The stream of a server that hangs would stay open and silent.
///
/// *Threading*: any thread. *Ownership*: owns the stop signal of the open stream.
final class StreamSwitch: Sendable {
    private struct State: Sendable {
        var stream: (endpoint: String, signal: StopSignal)?
        var isClosed = false
    }

    private let state = Guarded(State())

    /// Registers the stream at `endpoint`, and returns the signal that ends it. Nil if no descriptor is available.
    func begin(at endpoint: String) -> StopSignal? {
        guard let signal = StopSignal() else { return nil }
        state.with { state in
            state.stream = (endpoint, signal)
            if state.isClosed { signal.give() }
        }
        return signal
    }

    /// Unregisters the stream, which has ended.
    func end() {
        state.with { $0.stream = nil }
    }

    /// Ends the stream if it is open at `endpoint`.
    func end(at endpoint: String) {
        state.with { state in
            if let stream = state.stream, stream.endpoint == endpoint { stream.signal.give() }
        }
    }

    /// Ends the stream, and each one that begins later.
    func close() {
        state.with { state in
            state.isClosed = true
            state.stream?.signal.give()
        }
    }

    var isClosed: Bool { state.with { $0.isClosed } }
}
