import HTTP1
import ReverseProxy
import TokenSources

extension LoadedConfiguration {
    /// Reads the secrets that are kept elsewhere, each once. Blocking: it may run commands. Commands of Squire that only
    /// look do not call it, and one that was taken unasked must have been allowed before.
    public mutating func readSecrets() throws(ConfigurationError) {
        var reading = SecretReading(secretReader)
        reading.read(&configuration.headers, "headers")
        if var recipe = configuration.session.refresh {
            reading.read(&recipe.headers, "session.refresh.headers")
            configuration.session.refresh = recipe
        }
        if case .exec(var exec) = configuration.session.source {
            for index in exec.variables.indices {
                let name = "session.exec.env.\(exec.variables[index].name)"
                guard let text = reading.read(exec.variables[index].value.reference, name, exec.variables[index].source)
                else { continue }
                exec.variables[index].value.read(text)
            }
            configuration.session.source = .exec(exec)
        }
        guard reading.issues.isEmpty else { throw ConfigurationError(reading.issues) }
    }
}

/// One pass over the secrets of a configuration.
private struct SecretReading {
    private let reader: SecretReader
    /// What was read already: a command runs once, wherever it is named.
    private var known: [(reference: SecretReference, result: Result<String, SecretProblem>)] = []
    private(set) var issues: [ConfigurationError.Issue] = []

    init(_ reader: SecretReader) {
        self.reader = reader
    }

    mutating func read(_ rules: inout [HeaderRule], _ section: String) {
        for index in rules.indices {
            guard let reference = rules[index].secret else { continue }
            let name = "\(section).\(rules[index].name)"
            guard let text = read(reference, name, rules[index].source) else { continue }
            guard text.utf8.allSatisfy(Octet.isFieldContent) else {
                let message = "\(name) is a header: \(reference.shown) holds a line break or another control character"
                issues.append(.init(place: rules[index].source, message: message))
                continue
            }
            rules[index].value = text
        }
    }

    /// Nil with an issue. `place` is where it was configured.
    mutating func read(_ reference: SecretReference, _ name: String, _ place: String) -> String? {
        let result: Result<String, SecretProblem>
        if let one = known.first(where: { $0.reference == reference }) {
            result = one.result
        } else {
            result = reader.read(reference)
            known.append((reference, result))
        }
        switch result {
        case .success(let text): return text
        case .failure(let problem):
            var issue = ConfigurationError.Issue(place: place, message: "\(name) \(problem.text)")
            if case .passing = problem { issue.mayPass = true }
            issues.append(issue)
            return nil
        }
    }
}

extension ConfigurationError.Issue {
    /// `place` is `FILE:LINE`, as an `IssueCollector` has it, or the file alone.
    fileprivate init(place: String, message: String) {
        let parts = place.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count > 1, let line = parts.last.flatMap({ Int($0) }) {
            self.init(source: parts.dropLast().joined(separator: ":"), line: line, message: message)
        } else {
            self.init(source: place, message: message)
        }
    }
}
