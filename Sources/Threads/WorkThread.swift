internal import CSystem

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Starts a joinable POSIX thread.
///
/// Not `Foundation.Thread`: Foundation costs start-up time and memory that this program does not spend.
package struct NativeThread: @unchecked Sendable {
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

    /// `name` is shown by `ps -T` and debuggers; 15 bytes at most on Linux.
    package init(name: String, run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(name: name, run: run)).toOpaque()
        #if canImport(Glibc)
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, { NativeThread.enter($0!) }, body)
        #else
        var created: pthread_t?
        let status = pthread_create(&created, nil, { NativeThread.enter($0) }, body)
        let thread = created!
        #endif
        precondition(status == 0, "the system refuses to start a thread")
        identifier = thread
    }

    /// Waits until the thread's body has returned. Once only.
    package func join() {
        pthread_join(identifier, nil)
    }

    private static func enter(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
        csystem_name_thread(body.name)
        body.run()
        return nil
    }
}

/// One thread that does blocking work, item after item, in order.
///
/// *Threading*: `execute` from any thread; `finish` once.
package final class WorkThread: @unchecked Sendable {
    // `@unchecked`: everything mutable is protected by `mutex`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let name: String
    private var queue: [@Sendable () -> Void] = []
    private var isRunning = false
    private var worker: NativeThread?
    private var isFinished = false

    /// The thread starts with the first item.
    package init(name: String) {
        self.name = name
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Does `work` after everything handed over before. Work that comes after `finish` is dropped.
    package func execute(_ work: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isFinished else { return }
        queue.append(work)
        // The thread keeps this object until `finish`.
        if worker == nil { worker = NativeThread(name: name) { self.loop() } }
        pthread_cond_broadcast(changed)
    }

    /// Takes no more work and waits, up to `timeout`, until what was handed over is done; false when it is not.
    package func finish(timeout: Duration) -> Bool {
        pthread_mutex_lock(mutex)
        isFinished = true
        pthread_cond_broadcast(changed)
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += Int(timeout.components.seconds)
        deadline.tv_nsec += Int(timeout.components.attoseconds / 1_000_000_000)
        if deadline.tv_nsec >= 1_000_000_000 {
            deadline.tv_sec += 1
            deadline.tv_nsec -= 1_000_000_000
        }
        while isRunning || !queue.isEmpty {
            if pthread_cond_timedwait(changed, mutex, &deadline) == ETIMEDOUT {
                pthread_mutex_unlock(mutex)
                return false
            }
        }
        let worker = worker
        self.worker = nil
        pthread_mutex_unlock(mutex)
        worker?.join()
        return true
    }

    private func loop() {
        pthread_mutex_lock(mutex)
        while true {
            while queue.isEmpty {
                if isFinished {
                    pthread_mutex_unlock(mutex)
                    return
                }
                pthread_cond_wait(changed, mutex)
            }
            let work = queue.removeFirst()
            isRunning = true
            pthread_mutex_unlock(mutex)
            work()
            pthread_mutex_lock(mutex)
            isRunning = false
            pthread_cond_broadcast(changed)
        }
    }
}
