import Platform
import ReverseProxy

/// A file whose content is nobody else's business.
public enum SecretFile {
    /// What to say of a file that other users of the machine may read or change, and what to run; nil when they may
    /// not, or there is no such file. `name` is what the file is for, such as `access.key`.
    public static func exposure(_ name: String, _ path: String) -> String? {
        var information = stat()
        guard stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return nil }
        let mode = information.st_mode
        let verb =
            switch (mode & 0o044 != 0, mode & 0o022 != 0) {
            case (false, false): ""
            case (true, false): "read"
            case (false, true): "change"
            case (true, true): "read and change"
            }
        guard !verb.isEmpty else { return nil }
        let shown = ControlCharacters.escaped(path)
        // A name that cannot be shown cannot be typed, either.
        let advice = shown == path ? ". Run: chmod 600 \(CommandLines.quoted(path))" : ""
        return "\(name): other users of this machine may \(verb) \(shown)\(advice)"
    }
}

extension LoadedConfiguration {
    /// A sentence for each file with a secret that other users of the machine may read or change: the session, the
    /// access key, the key of the TLS certificate.
    public var exposures: [String] {
        let files: [(String, String?)] = [
            ("session.file", sessionFile), ("access.key", configuration.access.keyFile),
            ("tls.key", configuration.tls.key),
        ]
        return files.compactMap { name, path in path.flatMap { SecretFile.exposure(name, $0) } }
    }
}
