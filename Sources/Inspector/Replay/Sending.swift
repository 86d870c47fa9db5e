import EventIO
import LocalServer

/// A request in progress, and the caller that waits for its exchange.
///
/// *Threading*: belongs to the inspector's loop.
final class Sending {
    /// What is awaited, and by whom.
    enum State {
        /// The response; the caller waits. → `recording`, `followed`
        case awaited(LocalResponder)
        /// The response; the caller follows the exchange by itself. → gone
        case followed
        /// The end of the recording, after that many checks. → gone
        case recording(LocalResponder, InnerClient.Ending, looks: Int)
    }

    let client: InnerClient
    private(set) var state: State
    /// Ends the caller's wait.
    let limit: EventTimer
    let look: EventTimer

    init(client: InnerClient, responder: LocalResponder, limit: EventTimer, look: EventTimer) {
        self.client = client
        state = .awaited(responder)
        self.limit = limit
        self.look = look
    }

    /// The response is complete. False if nobody waits for the exchange.
    func end(_ ending: InnerClient.Ending) -> Bool {
        switch state {
        case .awaited(let responder):
            state = .recording(responder, ending, looks: 0)
            return true
        case .followed, .recording: return false
        }
    }

    /// The caller to be answered because the wait is over; nil if it was answered, or if the end is near.
    func letFollow() -> LocalResponder? {
        guard case .awaited(let responder) = state else { return nil }
        state = .followed
        return responder
    }

    /// The pause before the next check of the recording, about two seconds in all; nil after that.
    func nextPause() -> Duration? {
        guard case .recording(let responder, let ending, let looks) = state, looks < 40 else { return nil }
        state = .recording(responder, ending, looks: looks + 1)
        return .milliseconds(min((looks + 1) * 2, 80))
    }

    func stop() {
        limit.cancel()
        look.cancel()
        client.stop()
    }
}
