import CSystem

/// Ctrl-C while a command waits for a person.
enum Interruption {
    /// From now on Ctrl-C ends this process at once, with 130, as a shell would say it. Nothing is lost by it: what is
    /// saved is saved by a rename.
    static func endsWith130() {
        csystem_interrupt_exits()
    }
}
