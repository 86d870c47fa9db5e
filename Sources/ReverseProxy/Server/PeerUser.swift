import CSystem

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Whose process is at the other end of a connection within this machine.
public enum PeerUser {
    /// True when another user, and not root, is there; or when whoever was there has gone before it could be asked, which a foreign
    /// process would do on purpose: nobody waits for the answer. Connections from other machines have no user here:
    /// `access.allow-remote` and the key decide about them.
    public static func isOther(_ descriptor: Int32, isUnixSocket: Bool) -> Bool {
        var user: uid_t = 0
        let status =
            isUnixSocket
            ? csystem_unix_peer_user(descriptor, &user) : csystem_tcp_peer_user(descriptor, &user)
        guard status >= 0 else { return false }
        guard status == 0 else { return true }
        return user != geteuid() && user != 0
    }
}
