import EventIO
import Threads

/// A descriptor on its way to another thread: closed if it never gets there.
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

    /// Gives the descriptor away, once.
    func take() -> Int32? {
        number.with { held in
            defer { held = nil }
            return held
        }
    }
}
