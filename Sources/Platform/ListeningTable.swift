/// The TCP sockets that listen on a machine with Linux, as /proc/net/tcp and /proc/net/tcp6 list them (proc(5)). Pure.
public struct ListeningTable {
    /// Of one line.
    private struct Row {
        /// 4 or 16 bytes, in network order.
        var address: [UInt8]
        var port: Int
        var inode: String

        /// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …`; nil unless it listens.
        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            guard words.count > 9, words[3] == "0A" else { return nil }
            let ends = words[1].split(separator: ":")
            guard ends.count == 2, let port = Int(ends[1], radix: 16), let address = Self.bytes(ends[0]) else {
                return nil
            }
            (self.address, self.port, inode) = (address, port, String(words[9]))
        }

        /// Each 32 bits are a number of this machine's, whose bytes in memory are in network order.
        private static func bytes(_ text: Substring) -> [UInt8]? {
            guard text.utf8.count == 8 || text.utf8.count == 32 else { return nil }
            var (rest, result) = (text, [UInt8]())
            while !rest.isEmpty {
                guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
                unsafe withUnsafeBytes(of: word) { unsafe result += $0 }
                rest = rest.dropFirst(8)
            }
            return result
        }

        var isWildcard: Bool { address.allSatisfy { $0 == 0 } }
    }

    private let rows: [Row]

    /// `tables` are the contents of the files.
    public init(_ tables: String...) {
        rows = tables.flatMap { $0.split(separator: "\n").compactMap(Row.init) }
    }

    /// The inodes of the sockets that may keep another one from listening at `host`, a numeric address, `localhost` or
    /// another name: those at that very address, else those at all addresses; of a name, any with that port.
    public func inodes(host: String, port: Int) -> [String] {
        let there = rows.filter { $0.port == port }
        let wanted = Self.addresses(host)
        // All addresses are wanted, or nobody knows which.
        if wanted.contains(where: { $0.allSatisfy { $0 == 0 } }) { return there.map(\.inode) }
        let exact = there.filter { wanted.contains(Self.plain($0.address)) }
        return (exact.isEmpty ? there.filter(\.isWildcard) : exact).map(\.inode)
    }

    private static func addresses(_ host: String) -> [[UInt8]] {
        if host == "localhost" { return [[127, 0, 0, 1], loopback] }
        var (narrow, wide) = (in_addr(), in6_addr())
        if unsafe inet_pton(AF_INET, host, &narrow) == 1 {
            return [unsafe withUnsafeBytes(of: narrow) { unsafe Array($0) }]
        }
        if unsafe inet_pton(AF_INET6, host, &wide) == 1 {
            return [plain(unsafe withUnsafeBytes(of: wide) { unsafe Array($0) })]
        }
        return [[]]
    }

    private static let loopback = [UInt8](repeating: 0, count: 15) + [1]

    /// ::ffff:127.0.0.1 is 127.0.0.1.
    private static func plain(_ address: [UInt8]) -> [UInt8] {
        let prefix = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
        return address.count == 16 && address.starts(with: prefix) ? Array(address.dropFirst(12)) : address
    }
}
