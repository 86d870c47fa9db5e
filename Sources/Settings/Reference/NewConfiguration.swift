public import Platform
import Support

/// A first configuration for a person to go on with: `squire init`.
public struct NewConfiguration: Sendable {
    /// A value that only the person knows, by its key and line.
    /// `isExample`: it holds a value that means something, and that hardly anybody means.
    public typealias Blank = (name: String, line: Int, isExample: Bool)

    /// The file.
    public private(set) var text = ""
    /// What stands in it as an example only.
    public private(set) var blanks: [Blank] = []

    private static let blank = "CHANGE-ME"
    private static let exampleUpstream = "https://api.example.com"
    private static let exampleIssuer = "https://login.example.com"

    /// Why an answer cannot be used: the rest of a sentence that begins with `--upstream`, and what to do.
    public struct Refused: Error, Equatable {
        public var reason: String
    }

    /// The examples of a first configuration that stand in one still.
    static func blanks(in root: YAMLNode) -> [Blank] {
        var found: [Blank] = []
        collect(root, "", &found)
        return found
    }

    private static let examples = ["upstream": exampleUpstream, "session.oauth.issuer": exampleIssuer]

    private static func collect(_ node: YAMLNode, _ name: String, _ found: inout [Blank]) {
        switch node {
        case .scalar(let scalar):
            let isExample = examples[name] == scalar.text
            guard scalar.text == blank || isExample, let line = node.line else { return }
            found.append((name, line, isExample))
        case .sequence(let sequence):
            for element in sequence.elements { collect(element, name, &found) }
        case .mapping(let mapping):
            for entry in mapping.entries {
                guard let key = entry.key.text else { continue }
                collect(entry.value, name.isEmpty ? key : "\(name).\(key)", &found)
            }
        }
    }

    /// `schema` is the path of the JSON Schema for editors, if it is installed.
    public init(upstream: String? = nil, profile: Profile? = nil, schema: String? = nil) throws(Refused) {
        if let schema { add("# yaml-language-server: $schema=\(schema)") }
        add("# Squire's configuration. What it means: squire check. Every key there is: squire init --full")
        if schema == nil {
            add("# For completion in an editor: squire init --schema > squire.schema.json, and as the first line here")
            add("#   # yaml-language-server: $schema=squire.schema.json")
        }
        add("")
        if let profile { add("profile: \(profile.name)", profile.summary) }
        addUpstream(upstream, profile)
        add("#listen: localhost:8080", "where your tools find it; a bare port will do")
        addHeaders(profile)
        addSession(profile)
        try check()
    }

    private mutating func add(_ line: String, _ comment: String? = nil) {
        text += (comment.map { line.padded(to: 36) + "# \($0)" } ?? line) + "\n"
    }

    private mutating func addBlank(_ name: String, _ line: String, _ comment: String) {
        add(line, comment)
        blanks.append((name, text.utf8.count { $0 == UInt8(ascii: "\n") }, false))
    }

    // MARK: Sections

    private mutating func addUpstream(_ upstream: String?, _ profile: Profile?) {
        let meaning = "the API: scheme, host, port, and a path that goes before each target"
        let own = profile.flatMap { ConfigurationSections.value(["upstream"], in: $0.document)?.text }
        switch (upstream, own) {
        case (let upstream?, _): add("upstream: \(Self.scalar(upstream))", meaning)
        case (nil, let own?): add("#upstream: \(own)", "the preset's; another one goes before it")
        case (nil, nil): addBlank("upstream", "upstream: \(Self.exampleUpstream)", "\(Self.blank): \(meaning)")
        }
    }

    private mutating func addHeaders(_ profile: Profile?) {
        add("")
        var required: [String] = []
        if let profile, case .sequence(let list)? = ConfigurationSections.value(["requires"], in: profile.document) {
            required = list.elements.compactMap(\.text).filter { !$0.contains(".") }
        }
        let meaning = "sent unless a client sent its own of that name"
        add(required.isEmpty ? "#headers:" : "headers:", meaning)
        for name in required { addBlank("headers.\(name)", "  \(name): \(Self.blank)", "the API asks for it") }
        // Below a key that is commented out the mark stands in that key's column.
        add(required.isEmpty ? "#  X-Api-Key: {env: API_KEY}" : "  #X-Api-Key: {env: API_KEY}", "or {file: PATH}")
    }

    private mutating func addSession(_ profile: Profile?) {
        add("")
        if let profile {
            guard case .mapping(let oauth)? = ConfigurationSections.value(["session", "oauth"], in: profile.document)
            else {
                return add("#session: {name: alice}", "configurations of one name and API share a session")
            }
            return addOAuth(oauth)
        }
        add("# Where the token comes from. With none of these lines you give one: squire login --token -")
        add("# Otherwise uncomment one of them, and fill it in.")
        add("#session: none", "no token: the headers above, such as a key, are all that the API wants")
        add("#session: {refresh: {path: /refresh, token: /token}, sign-in: [POST /login]}", "requests of the API")
        add("# (with a refresh token: refresh.refresh-token; tokens refused otherwise than with 401: rejected)")
        add("#session: {oauth: {issuer: \(Self.exampleIssuer), client-id: my-tool}}", "a person, in a browser")
        add("#session:", "a program, as its own OAuth client")
        add("#  oauth: {token-endpoint: \(Self.exampleIssuer)/token, grant: client-credentials, client-id: my-tool,")
        add("#          client-secret: {env: CLIENT_SECRET}}")
        add("#session: {exec: [gcloud, auth, print-access-token]}", "a command that prints it")
        add("#session: {token-file: /var/run/secrets/tokens/api}", "a file that another program keeps fresh")
    }

    /// What a preset cannot know.
    private mutating func addOAuth(_ oauth: YAMLNode.Mapping) {
        add("session:")
        add("  oauth:")
        if oauth["issuer"] == nil, oauth["token-endpoint"] == nil {
            addBlank(
                "session.oauth.issuer",
                "    issuer: \(Self.exampleIssuer)",
                "\(Self.blank): or name token-endpoint and authorization-endpoint"
            )
        }
        addBlank("session.oauth.client-id", "    client-id: \(Self.blank)", "of the client that you registered")
        if oauth["client-authentication"]?.value.text?.hasPrefix("client-secret") ?? false {
            addBlank(
                "session.oauth.client-secret",
                "    client-secret: \(Self.blank)",
                "or {env: NAME}, {file: PATH}, {exec: [COMMAND]}"
            )
        }
        guard oauth["scope"] == nil else { return }
        guard let word = oauth["offline-scope"]?.value.text else {
            return add("    #scope: read write", "what you ask for")
        }
        add("    #scope: read \(word)", "what you ask for; \(word) brings a refresh token")
    }

    // MARK: Values

    /// A text as a value: in double quotes, which JSON's are, unless it is plainly a URL.
    private static func scalar(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-._~:/%[]@".utf8.contains(byte)
            }
        }
        return isPlain && text.hasPrefix("http") ? text : JSONValue.string(text).serialized()
    }

    /// Reads it as a command would, without anybody's environment.
    private func check() throws(Refused) {
        do throws(ConfigurationError) {
            _ = try ConfigurationLoader(environment: [:]).read(text, path: "squire.yaml")
        } catch {
            let message = error.issues.first?.message ?? error.description
            throw Refused(reason: message.hasPrefix("upstream ") ? String(message.dropFirst(9)) : message)
        }
    }

    // MARK: The file

    /// Writes it to `path`, mode 0600, unless something is there: `EEXIST` then.
    public func write(to path: String) throws(SystemError) { try PrivateFile.createNew(path, text.utf8) }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        utf8.count + 2 > width ? self + "  " : self + String(repeating: " ", count: width - utf8.count)
    }
}
