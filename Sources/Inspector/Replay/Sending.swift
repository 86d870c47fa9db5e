import EventIO
import LocalServer

/// A request on its way, and who waits for its exchange.
///
/// *Threading*: the inspector's loop.
final class Sending {
    let client: InnerClient
    /// Nil when it was answered already.
    var responder: LocalResponder?
    /// Ends the wait of whoever asked.
    let limit: EventTimer
    let look: EventTimer
    private(set) var ending: InnerClient.Ending?
    private var looks = 0

    init(client: InnerClient, responder: LocalResponder, limit: EventTimer, look: EventTimer) {
        self.client = client
        self.responder = responder
        self.limit = limit
        self.look = look
    }

    func end(_ ending: InnerClient.Ending) {
        self.ending = ending
    }

    /// How long to wait before the recording is looked at once more: some two seconds in all. Nil at the end of that.
    func nextPause() -> Duration? {
        guard looks < 40 else { return nil }
        looks += 1
        return .milliseconds(min(looks * 2, 80))
    }

    func stop() {
        limit.cancel()
        look.cancel()
        client.stop()
    }
}
