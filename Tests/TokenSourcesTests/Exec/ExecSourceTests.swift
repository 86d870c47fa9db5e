import Credentials
import Platform
import Synchronization
import TestFiles
import Testing

@testable import TokenSources

@Suite struct ExecSourceTests {
    /// A clock that stands until it is moved.
    private final class TestClock: CredentialClock {
        private let nanoseconds = Atomic<Int64>(0)
        func elapsed() -> Int64 { nanoseconds.load(ordering: .relaxed) }
        func wall() -> Int { 1_795_514_400 + Int(elapsed() / 1_000_000_000) }
        func advance(seconds: Int64) { nanoseconds.add(seconds * 1_000_000_000, ordering: .relaxed) }
    }

    private let clock = TestClock()
    private let directory = TestDirectory.make()

    /// `script` may use `$RUNS`, a file in which each run leaves a line.
    private func source(_ script: String, remark: @escaping @Sendable (String) -> Void = { _ in }) -> ExecSource {
        ExecSource(
            ExecConfiguration(command: ["sh", "-c", "echo >> runs; \(script)"], directory: directory),
            upstream: "https://api.example.com",
            environment: ["PATH": "/usr/bin:/bin"],
            clock: clock,
            remark: remark
        )
    }

    private var runs: Int { (try? NamedFile.read("\(directory)/runs", limit: 4096).count) ?? 0 }

    private func held(_ text: String) -> HeldTokens { HeldTokens(accessToken: Token(text)) }

    @Test func theSameTokenAgainIsNormalAndNotAskedForAtOnce() throws {
        let source = source("echo token-1")
        #expect(!source.spends && source.startsAlone)
        guard case .obtained(let tokens, _) = source.get(HeldTokens()) else {
            Issue.record("no token")
            return
        }
        #expect(tokens.accessToken.value == "token-1" && runs == 1)
        // The first refusal of a token runs it, then one in ten seconds does.
        for (seconds, expected) in [(0, 2), (0, 2), (9, 2), (1, 3), (5, 3), (5, 4)] as [(Int64, Int)] {
            clock.advance(seconds: seconds)
            guard case .unchanged = source.get(held("token-1")) else {
                Issue.record("changed")
                return
            }
            #expect(runs == expected)
        }
        // Another token is another matter.
        guard case .obtained = source.get(held("token-0")) else {
            Issue.record("not obtained")
            return
        }
        #expect(runs == 5)
    }

    /// A command that has cached it until then has another afterwards.
    @Test func theSameTokenIsNotGivenBeyondItsEnd() {
        let source = source(#"echo '{"token":"token-1","expires_in":'$((4 - $(wc -c < runs)))'}'"#)
        for (seconds, expected, left) in [(0, 1, 3), (2, 1, 1), (1, 2, 2), (1, 2, 1), (1, 3, 1)] as [(Int64, Int, Int)]
        {
            clock.advance(seconds: seconds)
            guard case .unchanged(let expiresIn, _) = source.get(held("token-1")) else {
                Issue.record("changed")
                return
            }
            #expect(expiresIn == left && runs == expected)
        }
    }

    @Test func whatIsLeftOfALifeIsCountedOn() throws {
        let source = source(#"echo '{"token":"t","expires_in":100}'"#)
        guard case .unchanged(let first, _) = source.get(held("t")) else {
            Issue.record("changed")
            return
        }
        clock.advance(seconds: 4)
        guard case .unchanged(let second, _) = source.get(held("t")) else {
            Issue.record("changed")
            return
        }
        #expect(first == 100 && second == 96)
    }

    @Test func failuresSayWhatTheyAre() throws {
        guard
            case .unavailable(let reason, _, false, _, false, let told) = source("echo secret-token no >&2; exit 7")
                .get(held("secret-token"))
        else {
            Issue.record("not unavailable")
            return
        }
        #expect(reason == "the command sh ends with code 7: ‹redacted› no")
        #expect(told == "the command sh ends with code 7; Squire's log says more")
        guard case .misconfigured(let reason, _) = source("echo a b; echo why >&2").get(HeldTokens()) else {
            Issue.record("not misconfigured")
            return
        }
        #expect(
            reason.hasPrefix("the command sh prints something that is no token") && reason.hasSuffix("It says: why")
        )
    }

    @Test func whatItSaysBesideATokenIsPassedOnWithoutTheToken() {
        let said = Mutex<[String]>([])
        let source = source("echo token-1; echo have token-1, expires soon >&2") { text in
            said.withLock { $0.append(text) }
        }
        _ = source.get(HeldTokens())
        #expect(said.withLock { $0 } == ["the command sh says: have ‹redacted›, expires soon"])
    }

    @Test(
        "Helpers are asked in their own way",
        arguments: [
            (ExecFormat.docker, ["helper"], ["helper", "get"], "https://api.example.com:8443\n"),
            (.docker, ["helper", "get"], ["helper", "get"], "https://api.example.com:8443\n"),
            (
                .auto, ["/usr/bin/docker-credential-pass"], ["/usr/bin/docker-credential-pass", "get"],
                "https://api.example.com:8443\n"
            ),
            (.git, ["helper", "get"], ["helper", "get"], "protocol=https\nhost=api.example.com:8443\n\n"),
            (
                .auto, ["git", "credential", "fill"], ["git", "credential", "fill"],
                "protocol=https\nhost=api.example.com:8443\n\n"
            ),
            (.auto, ["gcloud"], ["gcloud"], nil), (.json, ["docker-credential-x"], ["docker-credential-x"], nil),
        ] as [(ExecFormat, [String], [String], String?)]
    ) func talk(_ format: ExecFormat, _ command: [String], _ arguments: [String], _ input: String?) {
        var configuration = ExecConfiguration(command: command)
        configuration.format = format
        let talk = ExecTalk(configuration, upstream: "https://api.example.com:8443", company: .nobody)
        #expect(talk.arguments == arguments)
        #expect(talk.input == input.map { .bytes(Array($0.utf8)) } ?? .nothing)
    }

    @Test func itsEnvironmentIsThisProcesssAndMore() {
        var configuration = ExecConfiguration(command: ["x"])
        configuration.variables = [.init(name: "PATH", value: SecretValue(.plain("/only")))]
        let talk = ExecTalk(configuration, upstream: "https://a", company: .nobody)
        let result = talk.environment(["PATH": "/bin", "HOME": "/h", "NOTIFY_SOCKET": "/s"])
        #expect(result["PATH"] == "/only" && result["HOME"] == "/h" && result["NOTIFY_SOCKET"] == nil)
        #expect(result["KUBERNETES_EXEC_INFO"]?.contains(#""interactive":false"#) == true)
    }
}
