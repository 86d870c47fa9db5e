import ReverseProxy
import TokenSources

/// Reads `session.exec` and `session.token-file`: a command or a file that provides tokens.
extension ConfigurationSections {
    private static let execKeys = ["command", "format", "timeout", "env", "token", "expires-in", "expires-at"]
    private static let execTimeouts = Duration.seconds(1)...Duration.seconds(600)

    /// Nil if the key is missing, or if there is an issue.
    func exec(_ session: MapReader) -> ExecConfiguration? {
        guard let node = session.node("exec") else { return nil }
        guard case .mapping = node else {
            return command(session, "exec").map { ExecConfiguration(command: $0, directory: directory) }
        }
        guard let map = session.map("exec", keys: Self.execKeys) else { return nil }
        guard let command = command(map, "command") else {
            if !map.has("command") { session.fail("exec", "needs a command") }
            return nil
        }
        var exec = ExecConfiguration(command: command, directory: directory)
        if let format = map.choice("format", ExecFormat.self) { exec.format = format }
        if let timeout = map.duration("timeout", Self.execTimeouts) { exec.timeout = timeout }
        exec.variables = variables(map)
        places(map, &exec)
        return exec
    }

    /// The places in JSON output; other formats have none.
    private func places(_ map: MapReader, _ exec: inout ExecConfiguration) {
        exec.places.token = pointer(map, "token", suchAs: "/token")
        exec.places.expiresIn = pointer(map, "expires-in", suchAs: "/token")
        exec.places.expiresAt = pointer(map, "expires-at", suchAs: "/token")
        guard exec.places != ExecFormat.Places() else { return }
        if map.node("format") == nil {
            exec.format = .json
        } else if exec.format != .json {
            for key in ["token", "expires-in", "expires-at"] where map.node(key) != nil {
                map.fail(key, "is a place in JSON: it needs format: json")
            }
        }
    }

    /// Variables that Squire sets for the commands that it runs.
    private static let ownVariables = ["SQUIRE_EXEC", "SQUIRE_EXEC_COMMANDS"]

    private func variables(_ map: MapReader) -> [ExecConfiguration.Variable] {
        guard let node = map.node("env") else { return [] }
        guard case .mapping(let mapping) = node else {
            map.fail("env", "must be a map of names and values")
            return []
        }
        return mapping.entries.compactMap { entry in
            let name = entry.key.text ?? ""
            guard VariableName.isValid(name), !Self.ownVariables.contains(name) else {
                issues.add("session.exec.env: \"\(name)\" is not the name of a variable to be set", at: entry.key)
                return nil
            }
            guard let reference = secret(entry.value, "session.exec.env.\(name)", mayRun: false) else { return nil }
            return .init(name: name, value: SecretValue(reference))
        }
    }

    // MARK: The token file

    private static let tokenFileKeys = ["path", "token", "expires-at"]

    /// Nil if the key is missing, or if there is an issue.
    func tokenFile(_ session: MapReader) -> TokenFileConfiguration? {
        guard let node = session.node("token-file") else { return nil }
        if let text = node.text {
            guard !text.isEmpty else {
                session.fail("token-file", "must be the path of a file")
                return nil
            }
            return path(session, "token-file").map { TokenFileConfiguration(path: $0) }
        }
        guard let map = session.map("token-file", keys: Self.tokenFileKeys) else { return nil }
        guard let text = map.string("path"), !text.isEmpty else {
            if map.node("path")?.text == "" || !map.has("path") { session.fail("token-file", "needs a path") }
            return nil
        }
        guard let path = path(map, "path") else { return nil }
        var file = TokenFileConfiguration(path: path)
        file.token = pointer(map, "token", suchAs: "/token")
        file.expiresAt = pointer(map, "expires-at", suchAs: "/token")
        if file.expiresAt != nil, !map.has("token") {
            map.fail("expires-at", "is a place in JSON: it needs token, the place of the token")
        }
        return file
    }

    // MARK: Together

    /// Reads a source without a session file, and refuses keys that conflict with it. The other keys of `session` were
    /// read before.
    func statelessSource(_ map: MapReader, _ session: inout SessionConfiguration) {
        if let exec = exec(map) {
            session.source = .exec(exec)
        } else if let file = tokenFile(map) {
            session.source = .tokenFile(file)
        } else {
            return
        }
        // The issuer decides about the form.
        session.tokensAreJWTs = false
        let key = map.node("exec") == nil ? "token-file" : "exec"
        if map.node("file") != nil {
            map.fail("file", "cannot stand beside session.\(key): what that gives is not kept in a file")
        }
        if map.node("keep-alive") != nil {
            map.fail("keep-alive", "has nothing to keep alive: session.\(key) gives a token at any time")
        }
    }

    /// Refuses an option that names a session file if the source has none.
    func checkFile(_ given: ConfigurationOverrides.Value, _ source: SessionConfiguration.Source) {
        let key: String
        switch source {
        case .exec: key = "exec"
        case .tokenFile: key = "token-file"
        case .given, .unused, .recipe, .oauth: return
        }
        issues.add("cannot stand beside session.\(key): what that gives is not kept in a file", source: given.source)
    }
}
