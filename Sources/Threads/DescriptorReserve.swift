import Platform

/// Descriptors that are open for nothing, so that there are some when a refresh needs them and the process may have no
/// more: a lock, files, a connection. A refresh that cannot begin leaves everybody without a token.
///
/// *Threading*: any thread.
public final class DescriptorReserve: Sendable {
    public static let shared = DescriptorReserve()

    private static let size = 10
    private let state = Guarded<(held: [Int32], borrowers: Int, isWanted: Bool)>(([], 0, false))

    private init() {}

    /// Opens them; from now on they are opened again whenever nobody needs them. Fewer, or none, where there are no
    /// more.
    public func fill() {
        state.with {
            $0.isWanted = true
            Self.refill(&$0)
        }
    }

    /// Runs `body` with as many descriptors free as are held.
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
            let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return }
            state.held.append(descriptor)
        }
    }
}
