import HTTP1
import ReverseProxy
public import Threads
import TokenSources

extension LoadedConfiguration {
    /// Reads the secrets that are kept elsewhere, each once. Blocking, because it may run commands; `stop` ends a
    /// running command and the reading. Subcommands that only inspect the configuration do not call it. A file that was
    /// found without being named must have been allowed before.
    public mutating func readSecrets(until stop: StopSignal? = nil) throws(ConfigurationError) {
        let issues = readSecrets(.all(until: stop))
        guard issues.isEmpty else { throw ConfigurationError(issues) }
    }

    /// What is wrong with the secrets, as far as that can be found without an effect: no command runs. A file that was
    /// found without being named must have been allowed before.
    public func secretIssues() -> [ConfigurationError.Issue] {
        var copy = self
        return copy.readSecrets(.withoutEffect)
    }

    private mutating func readSecrets(_ extent: SecretReading.Extent) -> [ConfigurationError.Issue] {
        var reading = SecretReading(secretReader, source: path ?? "squire", lines: secretLines, extent)
        reading.read(&configuration.headers, "headers")
        switch configuration.session.source {
        case .recipe(var recipe):
            reading.read(&recipe.headers, "session.refresh.headers")
            configuration.session.source = .recipe(recipe)
        case .exec(var exec):
            for index in exec.variables.indices {
                let variable = exec.variables[index]
                guard let text = reading.read(variable.value.reference, "session.exec.env.\(variable.name)") else {
                    continue
                }
                exec.variables[index].value.read(text)
            }
            configuration.session.source = .exec(exec)
        case .oauth(var oauth):
            // The subject token is short-lived, and read again for each exchange.
            oauth.readSecrets = oauth.secrets.filter { $0.key != "session.oauth.subject-token" }.compactMap { secret in
                reading.read(secret.reference, secret.key).map { .init(reference: secret.reference, text: $0) }
            }
            configuration.session.source = .oauth(oauth)
        case .given, .unused, .tokenFile: break
        }
        if case .etcd(var etcd)? = configuration.session.shared?.engine, var user = etcd.user {
            if let text = reading.read(user.password.reference, "session.shared.password") { user.password.read(text) }
            etcd.user = user
            configuration.session.shared?.engine = .etcd(etcd)
        }
        return reading.issues
    }
}

/// One pass over the secrets of a configuration.
private struct SecretReading {
    private let reader: SecretReader
    private let source: String
    /// The line of each key.
    private let lines: [String: Int]
    private let extent: Extent
    /// The results so far: a command runs once, however often it is referred to.
    private var known: [(reference: SecretReference, result: Result<String, SecretProblem>?)] = []
    private(set) var issues: [ConfigurationError.Issue] = []

    enum Extent {
        /// Whatever that takes; the signal ends it.
        case all(until: StopSignal?)
        case withoutEffect
    }

    init(_ reader: SecretReader, source: String, lines: [String: Int], _ extent: Extent) {
        self.reader = reader
        self.source = source
        self.lines = lines
        self.extent = extent
    }

    mutating func read(_ rules: inout [HeaderRule], _ section: String) {
        for index in rules.indices {
            let key = "\(section).\(rules[index].name)"
            guard let reference = rules[index].secret, let text = read(reference, key) else { continue }
            if text.utf8.allSatisfy(Octet.isFieldContent) {
                rules[index].value = text
            } else {
                add(key, "is a header, and \(reference.shown) holds a line break or another control character")
            }
        }
    }

    /// Nil if there is an issue, or it was not read.
    mutating func read(_ reference: SecretReference, _ key: String) -> String? {
        let result: Result<String, SecretProblem>?
        if let one = known.first(where: { $0.reference == reference }) {
            result = one.result
        } else {
            result =
                switch extent {
                case .all(let stop): reader.read(reference, stop: stop)
                case .withoutEffect: reader.peek(reference)
                }
            known.append((reference, result))
        }
        switch result {
        case .success(let text)?: return text
        case .failure(.configuration(let text))?: add(key, text)
        case .failure(.passing(let text))?: add(key, text, mayPass: true)
        case nil:
            if let problem = reader.commandProblem(reference) { add(key, "cannot be read: \(problem)", mayPass: true) }
        }
        return nil
    }

    private mutating func add(_ key: String, _ text: String, mayPass: Bool = false) {
        var issue = ConfigurationError.Issue(source: source, line: lines[key], message: "\(key) \(text)")
        issue.mayPass = mayPass
        issues.append(issue)
    }
}
