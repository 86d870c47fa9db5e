import Credentials
import Platform
import Synchronization
import TestFiles
import Testing
import Threads

@testable import TokenSources

@Suite struct TokenFileTests {
    private let directory = TestDirectory.make()
    private var path: String { "\(directory)/token" }

    private func write(_ text: String, _ name: String = "token") {
        #expect(PrivateFile.create("\(directory)/\(name).new", Array(text.utf8)))
        #expect(rename("\(directory)/\(name).new", "\(directory)/\(name)") == 0)
    }

    private static func configuration(
        _ path: String,
        token: String? = nil,
        expiresAt: String? = nil
    )
        -> TokenFileConfiguration
    {
        var configuration = TokenFileConfiguration(path: path)
        configuration.token = token
        configuration.expiresAt = expiresAt
        return configuration
    }

    // MARK: Its content

    private enum Expected {
        case token(String, Int?)
        case unfinished, wrong
    }

    private static let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTU1MTQ0NjB9.c2ln"

    @Test(
        "A file holds a token, the beginning of one, or something else",
        arguments: [
            ("tok", nil, .token("tok", nil)), ("tok\n", nil, .token("tok", nil)), ("tok\r\n", nil, .token("tok", nil)),
            (jwt + "\n", nil, .token(jwt, nil)), ("", nil, .unfinished), ("\n \n", nil, .unfinished),
            ("eyJhbGciOiJIUzI1NiJ9", nil, .unfinished), ("eyJhbGciOiJIUzI1NiJ9.eyJleHAi", nil, .unfinished),
            ("eyJhbGciOiJIUzI1NiJ9.eyJleHAi.", nil, .unfinished), ("a b", nil, .wrong), ("a\nb\n", nil, .wrong),
            ("a'b", nil, .wrong), ("t\u{F6}k", nil, .wrong), (#"{"token":"t"}"#, nil, .wrong),
            (#"{"token":"t","end":1795514460}"#, "/token", .token("t", 60)), (#"{"token":"t"#, "/token", .unfinished),
            (#"{"token":"t"}"#, "/other", .wrong), (#"{"token":7}"#, "/token", .wrong),
            ("tok", "/token", .token("tok", nil)),
        ] as [(String, String?, Expected)]
    ) private func content(_ text: String, _ pointer: String?, _ expected: Expected) {
        let reader = TokenFileReader(Self.configuration("/x", token: pointer, expiresAt: "/end"))
        switch (reader.content(Array(text.utf8), wall: 1_795_514_400), expected) {
        case (.token(let token, let expiresIn), .token(let wanted, let wantedIn)):
            #expect(token.value == wanted && expiresIn == wantedIn)
        case (.unfinished, .unfinished), (.wrong, .wrong): break
        case (let content, _): Issue.record("\(content)")
        }
    }

    // MARK: Asking

    private static func times(_ patience: Duration) -> TokenFileSource.Times {
        var times = TokenFileSource.Times()
        times.patience = patience
        times.interval = .milliseconds(1)
        return times
    }

    private func held(_ text: String) -> HeldTokens { HeldTokens(accessToken: Token(text)) }

    private static func word(_ outcome: TokenOutcome) -> String {
        switch outcome {
        case .obtained(let tokens, _): tokens.accessToken.value
        case .unchanged: "unchanged"
        case .misconfigured: "misconfigured"
        case .unavailable: "unavailable"
        case .refused, .unreachable, .lost: "?"
        }
    }

    @Test func whatCannotBeReadKeepsTheOld() throws {
        let source = TokenFileSource(Self.configuration(path), margin: .seconds(30), times: Self.times(.zero))
        #expect(Self.word(source.get(HeldTokens())) == "unavailable")
        write("one\n")
        #expect(Self.word(source.get(HeldTokens())) == "one")
        #expect(Self.word(source.get(held("one"))) == "unchanged")
        write("")
        #expect(Self.word(source.get(held("one"))) == "unavailable")
        write("two words\n")
        #expect(Self.word(source.get(held("one"))) == "misconfigured")
        write("two\n")
        #expect(Self.word(source.get(held("one"))) == "two")
        unlink(path)
        #expect(Self.word(source.get(held("two"))) == "unavailable")
        mkdir(path, 0o700)
        #expect(Self.word(source.get(held("two"))) == "misconfigured")
    }

    @Test func anotherTokenIsWaitedForOnceForEach() throws {
        write("one\n")
        let patient = TokenFileSource(Self.configuration(path), margin: .seconds(30), times: Self.times(.seconds(20)))
        let directory = directory
        let writer = NativeThread(name: "writer") {
            _ = poll(nil, 0, 30)
            _ = PrivateFile.create("\(directory)/next", Array("two\n".utf8))
            rename("\(directory)/next", "\(directory)/token")
        }
        // Refused: the next one is on its way.
        #expect(Self.word(patient.get(held("one"))) == "two")
        writer?.join()
        let hasty = TokenFileSource(
            Self.configuration(path),
            margin: .seconds(30),
            times: Self.times(.milliseconds(60))
        )
        let begun = MonotonicClock.now()
        #expect(Self.word(hasty.get(held("two"))) == "unchanged")
        let between = MonotonicClock.now()
        #expect(between - begun >= 60_000_000)
        #expect(Self.word(hasty.get(held("two"))) == "unchanged")
    }

    @Test func aTokenThatIsAboutToEndIsNotWaitedFor() throws {
        // Ended long ago.
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"
        write(jwt + "\n")
        let source = TokenFileSource(Self.configuration(path), margin: .seconds(30), times: Self.times(.seconds(20)))
        let begun = MonotonicClock.now()
        #expect(Self.word(source.get(held(jwt))) == "unchanged")
        #expect(MonotonicClock.now() - begun < 10_000_000_000)
    }

    // MARK: Watching

    @Test func linksAreFollowedAndEachDecides() throws {
        // As the kubelet has it: token -> ..data/token, ..data -> ..1
        mkdir("\(directory)/..1", 0o700)
        write("one\n", "..1/token")
        symlink("..1", "\(directory)/..data")
        symlink("..data/token", path)
        #expect(
            LinkedFile.entries(of: path) == [
                .init(directory: directory, name: "token"), .init(directory: directory, name: "..data"),
                .init(directory: "\(directory)/..1", name: "token"),
            ]
        )
        unlink("\(directory)/..data")
        #expect(LinkedFile.entries(of: path).last == .init(directory: directory, name: "..data"))
        // A link to itself, and a directory that is missing.
        symlink("loop", "\(directory)/loop")
        #expect(LinkedFile.entries(of: "\(directory)/loop").count == 41)
        #expect(
            LinkedFile.entries(of: "\(directory)/a/../none/x") == [.init(directory: directory, name: "a")]
        )
    }

    /// Counts, and lets others wait for a count.
    private final class Counter: Sendable {
        private let count = Atomic(0)
        func add() { count.add(1, ordering: .sequentiallyConsistent) }
        func reaches(_ wanted: Int) -> Bool {
            let deadline = MonotonicClock.now() + 20_000_000_000
            while count.load(ordering: .sequentiallyConsistent) < wanted {
                if MonotonicClock.now() > deadline { return false }
                _ = poll(nil, 0, 2)
            }
            return true
        }
    }

    @Test func aSwappedDirectoryIsHeardOf() throws {
        mkdir("\(directory)/..1", 0o700)
        mkdir("\(directory)/..2", 0o700)
        write("one\n", "..1/token")
        symlink("..1", "\(directory)/..data")
        symlink("..data/token", path)
        let source = TokenFileSource(Self.configuration(path), margin: .seconds(30), times: Self.times(.zero))
        #expect(Self.word(source.get(HeldTokens())) == "one")
        let news = Counter()
        source.watch(interval: .seconds(60)) { news.add() }
        for (number, text) in ["two", "three"].enumerated() {
            let next = "..\(2 - number % 2)"
            write("\(text)\n", "\(next)/token")
            symlink(next, "\(directory)/..tmp")
            #expect(rename("\(directory)/..tmp", "\(directory)/..data") == 0)
            #expect(news.reaches(number + 1))
            #expect(Self.word(source.get(HeldTokens())) == text)
        }
    }

    @Test func whatNobodyTellsOfIsSeenAtTheNextLook() throws {
        write("one\n")
        let source = TokenFileSource(Self.configuration(path), margin: .seconds(30), times: Self.times(.zero))
        #expect(Self.word(source.get(HeldTokens())) == "one")
        let looks = Counter()
        let watch = try #require(TokenFileWatch(path, interval: .milliseconds(1)) { looks.add() })
        #expect(looks.reaches(10))
        watch.stop()
    }
}
