import EventIO
import Threads

/// A descriptor on its way to another thread: closed if it does not get there.
///
/// *Threading*: any thread.
final class OwnedDescriptor: Sendable {
    private let number: Guarded<Int32?>

    init(_ number: Int32) {
        self.number = Guarded(number)
    }

    deinit {
        if let number = take() { SocketIO.close(number) }
    }

    /// Hands over the descriptor, once.
    func take() -> Int32? {
        number.with { held in
            defer { held = nil }
            return held
        }
    }
}
