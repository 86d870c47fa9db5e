import Platform
import ReverseProxy
import SharedSession
import TestFiles
import Testing

@testable import Settings

/// `config/reference.yaml` says what the program does: every key, its kind, its bounds and its default.
@Suite struct ConfigurationReferenceTests {
    private typealias Entry = ConfigurationReference.Entry

    private static let parsed = Result { try ConfigurationReference() }
    private let reference: ConfigurationReference
    private let directory = TestDirectory.make()

    init() throws {
        reference = try Self.parsed.get()
        _ = try SharedKeyFile.create("\(directory)/shared.key")
        _ = PrivateFile.create("\(directory)/token", "t".utf8)
    }

    @Test func isUnderstoodAndNamesNoKeyTwice() {
        #expect(reference.entries.count > 140)
        #expect(Set(reference.entries.map(\.name)).count == reference.entries.count)
        for entry in reference.entries where entry.isActive {
            #expect(entry.presence != .optional, "line \(entry.line) has no default, and is not commented out")
        }
        for entry in reference.entries where !entry.isActive && entry.path.count == 1 {
            #expect(entry.presence == .optional, "line \(entry.line) has a default, and is commented out")
        }
    }

    @Test(arguments: [
        ("a: 1  # text", "has a kind and no meaning"), ("a: 1  # wrod. It is.", "\"wrod\" is no kind"),
        ("a: 1  # size, 2MiB to 1MiB. It is.", "\"size, 2MiB to 1MiB\" is no kind"),
        ("a:  # map. It is.\n  b", "is neither a key nor a sentence"),
    ])
    func aFaultInItIsFound(_ text: String, _ reason: String) {
        #expect {
            try ConfigurationReference(parsing: text)
        } throws: { error in
            (error as? ConfigurationReference.Malformed)?.reason == reason
        }
    }

    // MARK: Against the program

    @Test func asItIsItMeansTheDefaults() throws {
        let minimal = outcome(Document(["upstream": "https://api.example.com"]))
        #expect(minimal.configuration != nil)
        #expect(Outcome(ConfigurationReference.text, directory) == minimal)
    }

    /// Read to be refused with a reason.
    private static let refused: Set<String> = ["consul", "postgresql", "vault", "redis", "valkey"]

    @Test func hasEveryKeyThatTheProgramKnowsAndNoOther() {
        var maps: [(name: String, keys: Set<String>)] = [
            ("", Set(reference.children(of: []).compactMap(\.path.last)))
        ]
        for entry in reference.entries where entry.kinds.contains(.map) {
            maps.append((entry.name, Set(reference.children(of: entry.path).compactMap(\.path.last))))
        }
        for (name, keys) in maps {
            let known = knownKeys(context(name), name)
            #expect(known != nil, "\(name) is no map")
            #expect(known?.subtracting(name == "session.shared" ? Self.refused : []) == keys, "\(name)")
        }
        for key in Self.refused {
            let issues = outcome(context("session.shared").setting("session.shared.\(key)", "x")).issues
            #expect(issues.contains { $0.hasPrefix("session.shared.\(key) ") }, "\(key)")
        }
    }

    /// A value that may be a map, too, has a kind that says so.
    @Test func hasEveryMapThatAValueMayBe() {
        for entry in reference.entries where !entry.isMap {
            let document = context(entry.name)
            let keys = Set(entry.kinds.flatMap(\.keys).map(\.name))
            if entry.kinds == [.rules] {
                let issues = outcome(document.setting(entry.name, "[{zzzzzzzz: 1}]")).issues
                #expect(issues.compactMap { Self.known($0, entry.name) } == [keys], "\(entry.name)")
            } else {
                #expect(knownKeys(document, entry.name) ?? [] == keys, "\(entry.name)")
            }
        }
    }

    @Test func saysDefaultsThatAreOnes() {
        for entry in reference.entries where !entry.isMap || !entry.value.isEmpty {
            let document = context(entry.name)
            let (with, without) = (
                outcome(document.setting(entry.name, entry.value)), outcome(document.removing(entry.name))
            )
            switch entry.presence {
            case .defaulted:
                #expect(with == without && with.configuration != nil, "\(entry.name): \(entry.value), \(with.issues)")
            case .required: #expect(without.configuration == nil, "\(entry.name)")
            case .optional: #expect(with != without, "\(entry.name): \(entry.value) is the default")
            }
            // Files that are not there are read no further, and a preset asks for more.
            let faults = with.issues.filter { !$0.contains("file") && !$0.contains("the API asks for it") }
            #expect(faults.isEmpty, "\(entry.name)")
        }
    }

    @Test func saysTheBoundsAndTheWords() {
        for entry in reference.entries {
            for kind in entry.kinds { check(kind, entry) }
        }
    }

    private func check(_ kind: ReferenceKind, _ entry: Entry) {
        let document = context(entry.name)
        let issues = { (value: String) in
            self.outcome(document.setting(entry.name, value)).issues.filter { $0.hasPrefix(entry.name) }
        }
        switch kind {
        case .duration(let range):
            let bounds = "\(Quantity.text(range.lowerBound)) to \(Quantity.text(range.upperBound))"
            let beyond = issues(Quantity.text(range.upperBound + .milliseconds(1)))
            #expect(beyond == ["\(entry.name) must be from \(bounds)"])
        case .size(let range):
            let bounds = "\(Quantity.text(bytes: range.lowerBound)) to \(Quantity.text(bytes: range.upperBound))"
            // The largest size there is is none beyond.
            guard range.upperBound < Quantity.maximumSize else { return #expect(issues("1TiB").isEmpty) }
            #expect(issues("\(range.upperBound + 1)") == ["\(entry.name) must be from \(bounds)"])
        case .number(let range):
            let bounds = "\(range.lowerBound) to \(range.upperBound)"
            let number = "\(range.upperBound + 1)"
            #expect(issues(number) == ["\(entry.name) must be a number from \(bounds), not \"\(number)\""])
        case .boolean: #expect(issues("zzz") == ["\(entry.name) must be true or false, not \"zzz\""])
        case .choice(let words):
            let all = words == ["GET", "POST"] ? "GET or POST" : "one of \(words.joined(separator: ", "))"
            #expect(issues("zzz") == ["\(entry.name) must be \(all), not \"zzz\""])
        case .word(let word):
            #expect(outcome(document.setting(entry.name, word)).configuration != nil, "\(entry.name)")
        default: break
        }
    }

    // MARK: The schema

    @Test func theCommittedSchemaIsWhatIsMadeOfIt() throws {
        let path = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/config/squire.schema.json"
        let committed = String(decoding: try NamedFile.read(path, limit: 1 << 20), as: UTF8.self)
        #expect(committed == ConfigurationSchema.text, "run: squire init --schema > config/squire.schema.json")
    }

    // MARK: Documents

    private func outcome(_ document: Document) -> Outcome { Outcome(document.text, directory) }

    /// The keys that the map at `name` may have, by what is said of one that is none; nil if it is no map.
    private func knownKeys(_ document: Document, _ name: String) -> Set<String>? {
        let key = name.isEmpty ? "zzzzzzzz" : "\(name).zzzzzzzz"
        return outcome(document.setting(key, "1")).issues.compactMap { Self.known($0, name) }.first
    }

    private static func known(_ issue: String, _ name: String) -> Set<String>? {
        let key = name.isEmpty ? "zzzzzzzz" : "\(name.replacing("*", with: "Name")).zzzzzzzz"
        let beginning = "unknown key \"\(key)\"; known are "
        guard issue.hasPrefix(beginning) else { return nil }
        return Set(issue.dropFirst(beginning.count).split(separator: ", ").map(String.init))
    }

    /// A configuration in which the key at `name` may stand.
    private func context(_ name: String) -> Document {
        let upstream = Document(["upstream": "https://api.example.com"])
        let most = Self.contexts.filter { name == $0.prefix || name.hasPrefix($0.prefix + ".") }
        guard let best = most.max(by: { $0.prefix.utf8.count < $1.prefix.utf8.count }) else { return upstream }
        return best.keys.reduce(upstream) { $0.setting($1.name, $1.value) }
    }

    private typealias Keys = [(name: String, value: String)]

    private static let login: Keys = [
        ("session.oauth.issuer", "https://login.example.com"), ("session.oauth.client-id", "me"),
    ]
    private static let assertion: Keys = [
        ("session.oauth.token-endpoint", "https://login.example.com/t"), ("session.oauth.client-id", "me"),
        ("session.oauth.grant", "jwt-bearer"), ("session.oauth.private-key", "{env: KEY}"),
    ]
    private static let exchange: Keys = [
        ("session.oauth.token-endpoint", "https://login.example.com/t"), ("session.oauth.grant", "token-exchange"),
        ("session.oauth.subject-token", "{env: SECRET}"), ("session.oauth.client-id", "me"),
    ]
    private static let recipe: Keys = [("session.refresh.path", "/r"), ("session.refresh.token", "/t")]
    private static let pair =
        recipe + [
            ("session.refresh.refresh-token", "/refresh"),
            ("session.refresh.body", "'{\"a\": \"{refresh-token}\"}'"),
        ]
    private static let etcd: Keys = [
        ("session.shared.etcd", "[https://etcd-1:2379]"), ("session.shared.key", "shared.key"),
    ]
    private static let kubernetes: Keys = [
        ("session.shared.kubernetes.server", "https://10.0.0.1"), ("session.shared.kubernetes.namespace", "n"),
        ("session.shared.kubernetes.token-file", "token"), ("session.shared.key", "shared.key"),
    ]

    /// By the names that begin with the first.
    private static let contexts: [(prefix: String, keys: Keys)] =
        [
            ("session.refresh", recipe), ("session.refresh.url", [("session.refresh.token", "/t")]),
            ("session.refresh.body", pair), ("session.refresh.refresh-token", pair),
            ("session.refresh.refresh-expires-in", pair), ("session.keep-alive", recipe), ("session.oauth", login),
            ("session.oauth.subject-token", exchange), ("session.oauth.subject-token-type", exchange),
            ("session.oauth.requested-token-type", exchange),
            ("session.oauth.revocation", login + [("session.oauth.revocation.url", "https://a.example/o")]),
            ("session.oauth.revocation.url", login + [("session.oauth.revocation.method", "POST")]),
            ("session.oauth.tls.key", login + [("session.oauth.tls.certificate", "client.pem")]),
            ("session.exec", [("session.exec.command", "[print-token]")]),
            ("session.exec.command", [("session.exec.timeout", "10s")]),
            ("session.token-file", [("session.token-file.path", "token")]),
            ("session.token-file.path", [("session.token-file.token", "/t")]),
            (
                "session.token-file.expires-at",
                [("session.token-file.path", "token"), ("session.token-file.token", "/t")]
            ),
            ("session.shared", etcd), ("session.shared.kubernetes", kubernetes),
            ("session.shared.user", etcd + [("session.shared.password", "{env: SECRET}")]),
            ("session.shared.password", etcd + [("session.shared.user", "me")]),
            ("session.shared.tls.key", etcd + [("session.shared.tls.certificate", "client.pem")]),
            ("tls.key", [("tls.certificate", "client.pem")]),
        ]
        + ["private-key", "key-id", "algorithm", "audience", "lifetime", "assertion-issuer", "subject"].map {
            ("session.oauth.\($0)", assertion)
        }
}

/// What the program makes of a text.
private struct Outcome: Equatable {
    /// Without where its headers were written.
    var configuration: ProxyConfiguration?
    var issues: [String] = []

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXbkvJJ87z/qY/VzA
        ZISvE1mkvqjrEmVI6Nh3MjqdpGqhRANCAASscsPXQMk0wc+qLye5fK9tYHUCP9Gj
        0EKpkWQWq7MJ9i/IFgwOELjR3Jl+y+OtqIKJoNIocDyilgfjNDItzkiY
        -----END PRIVATE KEY-----
        """

    init(_ text: String, _ directory: String) {
        let environment = ["HOME": "/nowhere", "SECRET": "s3cret", "CLIENT_SECRET": "s3cret", "KEY": Self.key]
        do {
            var configuration = try ConfigurationLoader(environment: environment)
                .read(text, path: "\(directory)/squire.yaml").configuration
            for index in configuration.headers.indices { configuration.headers[index].source = "" }
            if var recipe = configuration.session.refresh {
                for index in recipe.headers.indices { recipe.headers[index].source = "" }
                configuration.session.refresh = recipe
            }
            self.configuration = configuration
        } catch {
            issues = error.issues.map(\.message)
        }
    }
}

/// A document as keys with dots, in the order they were set.
private struct Document {
    private var keys: [(path: [Substring], value: String)] = []

    init(_ keys: KeyValuePairs<String, String>) {
        for (name, value) in keys { self = setting(name, value) }
    }

    func setting(_ name: String, _ value: String) -> Document {
        var result = removing(name)
        // A value takes the place of the keys below it, and they that of a value.
        let path = name.split(separator: ".").map { $0 == "*" ? "Name" : $0 }
        result.keys.removeAll { path.starts(with: $0.path) }
        result.keys.append((path, value))
        return result
    }

    func removing(_ name: String) -> Document {
        var result = self
        let path = name.split(separator: ".").map { $0 == "*" ? "Name" : $0 }
        result.keys.removeAll { $0.path.starts(with: path) }
        return result
    }

    var text: String { Self.text(keys.map { ($0.path[...], $0.value) }, indentation: "") }

    private static func text(_ keys: [(path: ArraySlice<Substring>, value: String)], indentation: String) -> String {
        var names: [Substring] = []
        for key in keys { if let name = key.path.first, !names.contains(name) { names.append(name) } }
        return names.map { name in
            let own = keys.filter { $0.path.first == name }
            if own.count == 1, own[0].path.count == 1 { return "\(indentation)\(name): \(own[0].value)\n" }
            let below = own.map { ($0.path.dropFirst(), $0.value) }
            return "\(indentation)\(name):\n" + text(below, indentation: indentation + "  ")
        }.joined()
    }
}
