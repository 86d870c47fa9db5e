import Platform
import ReverseProxy

/// Who listens where this process may not, as proc(5) tells: for a person who wonders what has taken a port.
enum PortHolder {
    /// `squire demo (PID 4711)`, or another program's name; nil if it is another user's, or nothing is known.
    static func words(_ address: ListenAddress) -> String? {
        let sockets = inodes(address).map { "socket:[\($0)]" }
        guard !sockets.isEmpty else { return nil }
        for process in Directory.names("/proc").compactMap({ pid_t($0) }) where process != getpid() {
            for descriptor in Directory.names("/proc/\(process)/fd") {
                guard let link = Directory.link("/proc/\(process)/fd/\(descriptor)"), sockets.contains(link) else {
                    continue
                }
                return "\(name(process)) (PID \(process))"
            }
        }
        return nil
    }

    private static func name(_ process: pid_t) -> String {
        let name = RunningProcesses.read("/proc/\(process)/comm")?.split(separator: "\n").first.map(String.init)
        guard let command = RunningProcesses.command(process) else { return name ?? "a process" }
        return "squire \(command)"
    }

    /// Of the sockets that listen there.
    private static func inodes(_ address: ListenAddress) -> [Substring] {
        switch address {
        case .tcp(_, let port):
            // sl local_address rem_address st … inode; the port is in hexadecimal, and 0A is TCP_LISTEN.
            let end = ":" + String(String(port + 0x1_0000, radix: 16, uppercase: true).dropFirst())
            return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { rows($0) }.compactMap { row in
                row.count > 9 && row[1].hasSuffix(end) && row[3] == "0A" ? row[9] : nil
            }
        case .unix(let path):
            // Num RefCount Protocol Flags Type St Inode Path
            return rows("/proc/net/unix").compactMap { row in
                row.count > 7 && row[7...].joined(separator: " ") == path ? row[6] : nil
            }
        }
    }

    private static func rows(_ path: String) -> [[Substring]] {
        (RunningProcesses.read(path, limit: 1 << 22) ?? "").split(separator: "\n").map { $0.split(separator: " ") }
    }
}
