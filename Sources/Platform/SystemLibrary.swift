/// The system's C library. `Platform` re-exports it, so that no other file asks which one it is.
#if canImport(Glibc)
@_exported public import Glibc
#else
@_exported public import Darwin
#endif

/// Constants whose types differ between the C libraries.
public enum SystemConstant {
    #if canImport(Glibc)
    public static let streamSocket = Int32(SOCK_STREAM.rawValue)
    public static let datagramSocket = Int32(SOCK_DGRAM.rawValue)
    /// `send(2)` without SIGPIPE. Darwin has none: there the process ignores the signal.
    @inline(__always) public static var noSignal: Int32 { Int32(MSG_NOSIGNAL) }
    public static let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
    public static let streamSocket = SOCK_STREAM
    public static let datagramSocket = SOCK_DGRAM
    @inline(__always) public static var noSignal: Int32 { 0 }
    public static let openFiles = RLIMIT_NOFILE
    #endif
}
