import CSystem
import Platform

/// Ctrl-C while a command waits for a person.
enum Interruption {
    /// From now on Ctrl-C ends this process at once, with 130, as a shell would say it. Nothing is lost by it: what is
    /// saved is saved by a rename.
    static func endsWith130() {
        // Whoever started it in the background had it ignored.
        guard csystem_ignores(SIGINT) == 0 else { return }
        _ = signal(SIGINT) { _ in _exit(128 + SIGINT) }
    }
}
