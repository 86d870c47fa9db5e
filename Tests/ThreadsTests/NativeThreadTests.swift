import Platform
import Testing
import Threads

@Suite struct NativeThreadTests {
    /// Otherwise a signal that the main thread keeps waiting would go to another one.
    @Test func getsNoSignalOfTheProcess() throws {
        let seen = Latch<[Int32]>()
        var (before, after) = (sigset_t(), sigset_t())
        pthread_sigmask(SIG_SETMASK, nil, &before)
        let thread = try #require(
            NativeThread(name: "signals") {
                var mask = sigset_t()
                pthread_sigmask(SIG_SETMASK, nil, &mask)
                seen.set((1..<32).filter { sigismember(&mask, $0) == 1 })
            }
        )
        thread.join()
        pthread_sigmask(SIG_SETMASK, nil, &after)
        let blocked = seen.wait()
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2] { #expect(blocked.contains(signal)) }
        for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] {
            #expect(blocked.contains(fault) == (sigismember(&before, fault) == 1))
        }
        // The creator goes on as before.
        #expect((1..<32).allSatisfy { sigismember(&before, $0) == sigismember(&after, $0) })
    }
}
