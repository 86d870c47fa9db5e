#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A failed system call: what was attempted, and `errno`.
package struct SystemError: Error, CustomStringConvertible, Sendable {
    package var action: String
    package var code: Int32

    package init(_ action: String, code: Int32 = errno) {
        self.action = action
        self.code = code
    }

    /// The C library's sentence for the code.
    package var reason: String { String(cString: strerror(code)) }

    package var description: String { "\(action): \(reason)" }
}
