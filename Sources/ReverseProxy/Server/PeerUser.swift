import CSystem

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Whose process is at the other end of a loopback TCP connection.
enum PeerUser {
    /// True only when it is certain that another user, and not root, is there. Connections from other machines have no user here:
    /// `access.allow-remote` and the key decide about them.
    static func isOther(_ descriptor: Int32) -> Bool {
        var user: uid_t = 0
        guard csystem_tcp_peer_user(descriptor, &user) == 0 else { return false }
        return user != geteuid() && user != 0
    }
}
