internal import CSystem
import Platform

/// Starts a joinable POSIX thread, which gets no signals that are sent to the process: the main thread decides about
/// them, and can keep them waiting by blocking them for itself alone (pthreads(7), signal(7)).
///
/// Not `Foundation.Thread`: Foundation costs start-up time and memory that this program does not spend.
public struct NativeThread: @unchecked Sendable {
    // `@unchecked`: a `pthread_t` is an opaque value any thread may join once.
    private let identifier: pthread_t

    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Linux accepts no longer name, and would leave the thread unnamed (pthread_setname_np(3)).
    private static let longestName = 15

    /// Nil if the system starts no more threads. `ps -T` and debuggers show the first 15 bytes of `name`.
    public init?(name: String, run: @escaping @Sendable () -> Void) {
        // A thread begins with its creator's mask.
        var (blocked, former) = (Self.sentSignals, sigset_t())
        unsafe pthread_sigmask(SIG_BLOCK, &blocked, &former)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &former, nil) }
        let retained = unsafe Unmanaged.passRetained(Body(name: name, run: run))
        let body = unsafe retained.toOpaque()
        #if canImport(Glibc)
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, { unsafe NativeThread.enter($0!) }, unsafe body)
        #else
        var created: pthread_t?
        let status = unsafe pthread_create(&created, nil, { unsafe NativeThread.enter($0) }, unsafe body)
        #endif
        guard status == 0 else {
            unsafe retained.release()
            return nil
        }
        #if canImport(Glibc)
        identifier = thread
        #else
        // Set by a call that succeeded.
        identifier = created!
        #endif
    }

    /// All signals but those that are about what the thread does itself: its faults, and its use of a terminal in the
    /// background.
    private static var sentSignals: sigset_t {
        var set = sigset_t()
        unsafe sigfillset(&set)
        let own = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU]
        for signal in own { unsafe sigdelset(&set, signal) }
        return set
    }

    /// Waits until the thread's body has returned. Once only.
    public func join() {
        pthread_join(identifier, nil)
    }

    /// Lets the thread free its own resources when it ends. Do not join it afterwards.
    public func detach() {
        pthread_detach(identifier)
    }

    public var isCurrent: Bool { pthread_equal(identifier, pthread_self()) != 0 }

    private static func enter(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
        unsafe csystem_name_thread(String(decoding: body.name.utf8.prefix(longestName), as: UTF8.self))
        body.run()
        return nil
    }
}
