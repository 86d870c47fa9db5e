import EventIO
import Platform
import ReverseProxy
import TokenSources

/// Checks the permissions of files with secrets.
public enum SecretFile {
    /// A warning about a file that other users of the machine may read or change, with a command that helps; nil if
    /// they may not, or if there is no such file. `name` is the purpose of the file, such as `access.key`.
    public static func exposure(_ name: String, _ path: String) -> String? {
        var information = stat()
        guard unsafe stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return nil }
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
        let advice: String
        if isMounted(path) || information.st_uid != geteuid() {
            advice = ". Have whoever puts it there give it the mode 0600 (Kubernetes: defaultMode: 0400)"
        } else {
            // A path that cannot be shown cannot be typed, either.
            advice = shown == path ? ". Run: chmod 600 \(CommandLines.quoted(path))" : ""
        }
        return "\(name): other users of this machine may \(verb) \(shown)\(advice)"
    }

    /// Whether an orchestrator writes the file anew, behind a symbolic link, when its content changes: then a mode that
    /// is set by hand does not last.
    private static func isMounted(_ path: String) -> Bool {
        var information = stat()
        return unsafe lstat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFLNK
    }
}

extension LoadedConfiguration {
    /// A warning for each file with a secret that other users of the machine may read or change: the session, the
    /// access key, the key of the TLS certificate, a token file, files that `{file}` names, and the configuration
    /// itself if it contains a secret.
    public var exposures: [String] {
        var files: [(String, String?)] = [
            ("session.file", configuration.session.source.isKept ? sessionFile : nil),
            ("access.key", configuration.access.keyFile), ("tls.key", configuration.tls.key),
        ]
        if case .oauth(let oauth) = configuration.session.source, let key = oauth.certificate?.key {
            files.append(("session.oauth.tls.key", key))
        }
        if case .tokenFile(let file) = configuration.session.source { files.append(("session.token-file", file.path)) }
        switch configuration.session.shared?.engine {
        case .etcd(let etcd): files.append(("session.shared.tls.key", etcd.tls.key))
        case .kubernetes(let kubernetes):
            files.append(("session.shared.tls.key", kubernetes.tls.key))
            // The kubelet sets the mode of the files that it mounts.
            if let path = kubernetes.tokenFile, !path.hasPrefix(ConfigurationSections.usualServiceAccount + "/") {
                files.append(("session.shared.kubernetes.token-file", path))
            }
        case nil: break
        }
        for (name, reference) in configuration.secretReferences {
            switch reference {
            case .plain: files.append((name, path))
            case .file(let path): files.append((name, path))
            case .environment, .command: break
            }
        }
        files += hiddenHeaders.map { ($0, path) }
        return files.compactMap { name, path in path.flatMap { SecretFile.exposure(name, $0) } } + socketExposures
    }

    /// The headers in the file itself whose values are hidden because of their names. Not templates such as `{token}`.
    private var hiddenHeaders: [String] {
        let place = "\(path ?? ""):"
        let hidden = { (rules: [HeaderRule], key: String) in
            rules.filter { rule in
                rule.secret == nil && rule.isSecret && rule.source.hasPrefix(place) && !rule.value.isEmpty
                    && !rule.value.contains("{")
            }.map { "\(key).\($0.name)" }
        }
        return hidden(configuration.headers, "headers")
            + hidden(configuration.session.refresh?.headers ?? [], "session.refresh.headers")
    }

    /// Warnings for Unix sockets in directories where other users could replace them, and receive what clients send.
    private var socketExposures: [String] {
        let asked = askedListeners + [askedInspector].compactMap(\.self)
        return asked.compactMap { one in
            // An abstract socket is not a file.
            guard case .unix(let path) = one.address, !path.hasPrefix("@"),
                let problem = ForeignHand.directory(ParentDirectory.of(path))
            else { return nil }
            return "\(one.key): another user's socket may take the place of \(one.address): \(problem)"
        }
    }
}

extension ProxyConfiguration {
    /// The references to secrets, with their keys.
    fileprivate var secretReferences: [(name: String, reference: SecretReference)] {
        var result = headers.compactMap { rule in rule.secret.map { ("headers.\(rule.name)", $0) } }
        result += (session.refresh?.headers ?? []).compactMap { rule in
            rule.secret.map { ("session.refresh.headers.\(rule.name)", $0) }
        }
        if case .oauth(let oauth) = session.source { result += oauth.secrets.map { ($0.key, $0.reference) } }
        if case .etcd(let etcd)? = session.shared?.engine, let user = etcd.user {
            result.append(("session.shared.password", user.password.reference))
        }
        if case .exec(let exec) = session.source {
            result += exec.variables.compactMap { variable in
                // A plain value is not secret.
                if case .plain = variable.value.reference { return nil }
                return ("session.exec.env.\(variable.name)", variable.value.reference)
            }
        }
        return result
    }
}
