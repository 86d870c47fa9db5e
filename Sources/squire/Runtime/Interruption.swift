import CSystem

/// Ctrl-C while a command waits for a person.
enum Interruption {
    /// Ctrl-C ends the process at once from now on, with 130, as a shell reports it. Nothing is lost, because files are
    /// saved by renaming.
    static func endsWith130() {
        csystem_interrupt_exits()
    }
}
