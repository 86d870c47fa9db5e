import Platform

/// A few descriptors that are held open and unused. A refresh borrows their numbers when the process has no others
/// left: it needs a lock, files and a connection, and without a refresh every client goes without a token.
///
/// *Threading*: any thread.
public final class DescriptorReserve: Sendable {
    public static let shared = DescriptorReserve()

    private static let size = 10
    private let state = Guarded<(held: [Int32], borrowers: Int, isWanted: Bool)>(([], 0, false))

    private init() {}

    /// Opens the descriptors, and reopens them whenever nobody borrows them. Holds fewer, or none, if the process may
    /// have no more.
    public func fill() {
        state.with {
            $0.isWanted = true
            Self.refill(&$0)
        }
    }

    /// Runs `body` while the reserved descriptors are closed, so that it can open that many.
    public func lend<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        state.with {
            $0.borrowers += 1
            for descriptor in $0.held { close(descriptor) }
            $0.held = []
        }
        defer {
            state.with {
                $0.borrowers -= 1
                Self.refill(&$0)
            }
        }
        return try body()
    }

    private static func refill(_ state: inout (held: [Int32], borrowers: Int, isWanted: Bool)) {
        guard state.isWanted, state.borrowers == 0 else { return }
        while state.held.count < size {
            let descriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return }
            state.held.append(descriptor)
        }
    }
}
