import Platform

/// The names of a process's proxies in its log.
enum ProxyNames {
    /// The length of a name. It only has to tell proxies apart.
    private static let limit = 24

    /// One distinct name for each configuration: its file's name, with the directory if necessary, else with its
    /// number. A configuration without a file is named `upstream`.
    static func names(of configurations: [(path: String?, upstream: String)]) -> [String] {
        let short = configurations.map { base(of: $0.path) ?? $0.upstream }
        let long = zip(configurations, short).map { one, name in
            directory(of: one.path).map { "\($0)/\(name)" } ?? name
        }
        var names: [String] = []
        for index in configurations.indices {
            let candidates = [short[index], long[index]].map { String($0.suffix(limit)) }
            let others = { (name: String) in
                configurations.indices.filter {
                    $0 != index && (short[$0].suffix(limit) == name || long[$0].suffix(limit) == name)
                }
            }
            let own = candidates.first { others($0).isEmpty && !names.contains($0) }
            names.append(own ?? "\(String(candidates[0].suffix(limit - 4)))#\(index + 1)")
        }
        return names
    }

    /// `api` for `/etc/squire/api.yaml`.
    private static func base(of path: String?) -> String? {
        guard let name = path?.split(separator: "/").last, name != "-" else { return nil }
        let stem = name.lastIndex(of: ".").map { name[..<$0] } ?? name
        return stem.isEmpty ? String(name) : String(stem)
    }

    /// The name of the file's directory; for a relative name, of this process's.
    private static func directory(of path: String?) -> String? {
        guard let path else { return nil }
        let place = path.hasPrefix("/") ? path : "\(RealPath.of(".") ?? "")/\(path)"
        let parts = place.split(separator: "/").filter { $0 != "." }
        return parts.count > 1 ? String(parts[parts.count - 2]) : nil
    }
}
