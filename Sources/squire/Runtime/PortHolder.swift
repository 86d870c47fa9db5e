import EventIO
import Platform
import ReverseProxy

/// Finds the process that listens on an address that is in use, by proc(5).
enum PortHolder {
    /// Such as `squire demo (PID 4711)`, or another program's name. Nil if the process belongs to another user, or is
    /// unknown.
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

    /// The inodes of the sockets that listen on the address.
    private static func inodes(_ address: ListenAddress) -> [String] {
        switch address {
        case .tcp(let host, let port):
            return ListeningTable(table("tcp"), table("tcp6")).inodes(host: host, port: port)
        case .unix(let path):
            // Num RefCount Protocol Flags Type St Inode Path
            return table("unix").split(separator: "\n").compactMap { line -> String? in
                let row = line.split(separator: " ")
                guard row.count > 7, row[7...].joined(separator: " ") == path else { return nil }
                return String(row[6])
            }
        }
    }

    private static func table(_ name: String) -> String {
        RunningProcesses.read("/proc/net/\(name)", limit: 1 << 22) ?? ""
    }
}
