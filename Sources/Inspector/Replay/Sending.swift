import EventIO
import LocalServer

/// A request on its way, and who waits for its exchange.
///
/// *Threading*: the inspector's loop.
final class Sending {
    /// What is still to come, and for whom.
    enum State {
        /// The answer, and whoever asked waits. → `recording`, `followed`
        case awaited(LocalResponder)
        /// The answer; whoever asked follows the exchange by itself. → gone
        case followed
        /// The end of its recording, after so many looks. → gone
        case recording(LocalResponder, InnerClient.Ending, looks: Int)
    }

    let client: InnerClient
    private(set) var state: State
    /// Ends the wait of whoever asked.
    let limit: EventTimer
    let look: EventTimer

    init(client: InnerClient, responder: LocalResponder, limit: EventTimer, look: EventTimer) {
        self.client = client
        state = .awaited(responder)
        self.limit = limit
        self.look = look
    }

    /// The answer has come. False if nobody waits for its exchange.
    func end(_ ending: InnerClient.Ending) -> Bool {
        switch state {
        case .awaited(let responder):
            state = .recording(responder, ending, looks: 0)
            return true
        case .followed, .recording: return false
        }
    }

    /// Whoever asked waits no longer, and is to be answered; nil if that is done, or its end is near.
    func letFollow() -> LocalResponder? {
        guard case .awaited(let responder) = state else { return nil }
        state = .followed
        return responder
    }

    /// How long to wait before the recording is looked at once more: some two seconds in all. Nil at the end of that.
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
