import Threads

/// Ends the stream of a watch from another thread: when a call finds that its endpoint does not answer, and at the end of
/// the store. A stream may stay open and silent on a server that stands still.
///
/// *Threading*: any thread. *Ownership*: of the signal of the stream that is open.
final class StreamSwitch: Sendable {
    private struct State: Sendable {
        var stream: (endpoint: String, signal: StopSignal)?
        var isClosed = false
    }

    private let state = Guarded(State())

    /// The signal that ends the stream that begins at `endpoint`; nil if the process may have no more descriptors.
    func begin(at endpoint: String) -> StopSignal? {
        guard let signal = StopSignal() else { return nil }
        state.with { state in
            state.stream = (endpoint, signal)
            if state.isClosed { signal.give() }
        }
        return signal
    }

    /// The stream has ended.
    func end() {
        state.with { $0.stream = nil }
    }

    /// Ends the stream if it is open at `endpoint`.
    func leave(_ endpoint: String) {
        state.with { state in
            if let stream = state.stream, stream.endpoint == endpoint { stream.signal.give() }
        }
    }

    /// Ends the stream, and each that is begun later.
    func close() {
        state.with { state in
            state.isClosed = true
            state.stream?.signal.give()
        }
    }

    var isClosed: Bool { state.with { $0.isClosed } }
}
