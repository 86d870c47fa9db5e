import Credentials
import Platform
import Support
import TestFiles
import Testing
import Threads

@testable import SharedSession

/// An API whose token dies when it is refreshed.
final class TestAPI: Sendable {
    private struct State {
        var number = 0
        var attempts = 0
        var losesAnswers = false
        var life: Int?
        var busyFor: Int?
        var refreshes = 0
        var refusals = 0
        var meanwhile: (@Sendable () -> Void)?
    }

    private let state = Guarded(State())

    static func token(_ number: Int, of customer: String = "alice") -> Token {
        let text = { (json: String) in
            Base64.encode(Array(json.utf8)).map(Self.forURL).joined()
        }
        return Token("\(text(#"{"alg":"none"}"#)).\(text(#"{"sub":"\#(customer)","n":\#(number)}"#)).x")!
    }

    private static func forURL(_ digit: Character) -> String {
        switch digit {
        case "+": "-"
        case "/": "_"
        case "=": ""
        default: String(digit)
        }
    }

    var current: Token { Self.token(state.with { $0.number }) }
    var attempts: Int { state.with { $0.attempts } }

    /// Its tokens live that many seconds from now on.
    func live(_ seconds: Int) { state.with { $0.life = seconds } }

    /// From now on it wants to be left alone for so many seconds, with 429.
    func shed(_ seconds: Int?) { state.with { $0.busyFor = seconds } }

    /// From now on it acts, and its answers are lost.
    func loseAnswers() { state.with { $0.losesAnswers = true } }

    var refreshes: Int { state.with { $0.refreshes } }
    var refusals: Int { state.with { $0.refusals } }

    /// Done once, after the API rotated and before its answer arrives.
    func during(_ body: @escaping @Sendable () -> Void) { state.with { $0.meanwhile = body } }

    fileprivate func refresh(_ token: Token?) -> TokenOutcome {
        let (outcome, meanwhile) = state.with { state -> (TokenOutcome, (@Sendable () -> Void)?) in
            state.attempts += 1
            if let seconds = state.busyFor {
                return (.unavailable(reason: "status 429", retryAfter: seconds, status: 429), nil)
            }
            guard token == Self.token(state.number) else {
                state.refusals += 1
                return (.refused(reason: "status 401", status: 401), nil)
            }
            state.number += 1
            state.refreshes += 1
            if state.losesAnswers { return (.lost(reason: "cut off", response: nil), nil) }
            defer { state.meanwhile = nil }
            return (
                .obtained(TokenSet(accessToken: Self.token(state.number), expiresIn: state.life)), state.meanwhile
            )
        }
        meanwhile?()
        return outcome
    }

    var source: any TokenSource { Source(api: self) }

    fileprivate struct Source: TokenSource {
        let api: TestAPI
        let spends = true
        let startsAlone = false

        func get(_ held: HeldTokens) -> TokenOutcome { api.refresh(held.accessToken) }
    }
}

/// One Squire of one machine: a session in a directory of its own, which shares it.
final class TestMachine: Sendable {
    let session: Session
    let store: MemoryStore
    let file: SessionFile
    /// Those who wait for something of any machine.
    private static let waiting = Guarded<[Latch<Void>]>([])
    private let news: Guarded<[SharedNews]>
    /// What becomes of the file is told to those who wait, too: not each change of it is an event of a session.
    private let fileWatch: Guarded<SessionFileWatch?>

    static let origin = "https://api.example.com"
    static let place = SessionBinding.place(engine: "memory", key: SharedSamples.place)

    /// A file of its own, unless another process of the machine has one.
    init(
        _ engine: MemoryEngine,
        _ api: TestAPI,
        file: SessionFile? = nil,
        own: Token? = nil,
        takeover: Duration = .seconds(40),
        key: UInt8 = 1,
        keyFile: String = "/nowhere/shared.key",
        place: String = SharedSamples.place,
        retriesLost: Bool = true,
        clock: any CredentialClock = SystemClock(),
        sessionClock: any CredentialClock = SystemClock(),
        begins: Bool = true,
        heard: @escaping @Sendable (SessionEvent) -> Void = { _ in }
    ) throws {
        let file = file ?? SessionFile(path: TestDirectory.make() + "/session.json")
        self.file = file
        if let own {
            var record = SessionRecord()
            record.put(TokenSet(accessToken: own), .given, upstream: Self.origin, now: 1_800_000_000)
            _ = try file.save(record)
        }
        store = engine.store()
        let news = Guarded<[SharedNews]>([])
        let changed: @Sendable () -> Void = { for latch in Self.waiting.with({ $0 }) { latch.set(()) } }
        self.news = news
        fileWatch = Guarded(SessionFileWatch(file, changed: changed))
        var options = SharedRunner.Options(
            engine: "memory",
            name: SharedSamples.name,
            place: place,
            seal: try SharedSamples.seal(key),
            keyFile: keyFile,
            origin: Self.origin,
            timing: SharedTiming(takeover: takeover, retriesLost: retriesLost)
        )
        options.keyInterval = .milliseconds(10)
        let runner = SharedRunner(
            store,
            options,
            clock: clock,
            observe: { said in
                news.with { $0.append(said) }
                changed()
            }
        )
        session = try Session(
            file: file,
            source: TestAPI.Source(api: api),
            policy: RefreshPolicy(retriesLost: retriesLost),
            binding: SessionBinding(
                origin: Self.origin,
                sharedPlace: SessionBinding.place(engine: "memory", key: place)
            ),
            sharing: runner,
            clock: sessionClock,
            emit: { event in
                heard(event)
                changed()
            }
        )
        if begins {
            session.watchFile()
            session.share()
        }
    }

    func stop() {
        session.end(timeout: .seconds(10))
        fileWatch.with { $0.take() }?.stop()
    }

    var saidNews: [SharedNews] { news.with { $0 } }

    /// Waits until it is so, asked again after each event of a session, of what shares it, and of its file.
    func wait(until isSo: () -> Bool) {
        while true {
            let latch = Latch<Void>()
            Self.waiting.with { $0.append(latch) }
            defer { Self.waiting.with { $0.removeAll { $0 === latch } } }
            if isSo() { return }
            latch.wait()
        }
    }

    func wait(for token: Token?) { wait { session.token == token } }

    var saved: SessionRecord? { try? file.session() }

    var savedIdentity: SharedIdentity? {
        guard case .shared(.tokens(let identity)) = saved?.localHolding(in: TestMachine.place) else { return nil }
        return identity
    }

    func logIn(_ token: Token, replacing: ReplaceableSession = .ofThisAPI) -> Result<Void, SessionFileError> {
        let latch = Latch<Result<Void, SessionFileError>>()
        session.adopt(TokenSet(accessToken: token), .given, replacing: replacing) { latch.set($0) }
        return latch.wait()
    }

    func logOut() -> Result<Void, SessionFileError> {
        let latch = Latch<Result<Void, SessionFileError>>()
        session.forget { latch.set($0) }
        return latch.wait()
    }

    func askAgain() -> Latch<Result<Token, CredentialFailure>> { session.askAgain() }
}

extension Session {
    /// Asks for another token than the current one, which the API refused.
    func askAgain() -> Latch<Result<Token, CredentialFailure>> {
        let latch = Latch<Result<Token, CredentialFailure>>()
        credential(for: Inquiry(rejection: Rejection(generation: generation))) { grant in
            switch grant {
            case .use(let credential, _), .useAfter(_, let credential): latch.set(.success(credential.token))
            case .failed(let failure): latch.set(.failure(failure))
            }
        }
        return latch
    }
}

/// Another time than the system says, in seconds.
final class ShiftedClock: CredentialClock {
    private let wallShift: Int
    private let shift = Guarded<Int>(0)

    init(wall: Int = 0) { wallShift = wall }

    func shift(by seconds: Int) { shift.with { $0 += seconds } }

    func elapsed() -> Int64 { SystemClock().elapsed() + Int64(shift.with { $0 }) * 1_000_000_000 }

    func wall() -> Int { SystemClock().wall() + wallShift + shift.with { $0 } }
}

/// Three seconds later as soon as a refresh's journal is there.
final class JournalClock: CredentialClock {
    let journal = Guarded<String?>(nil)

    func elapsed() -> Int64 {
        let isThere = journal.with { $0 }.map { access($0, F_OK) == 0 } ?? false
        return SystemClock().elapsed() + (isThere ? 3_000_000_000 : 0)
    }

    func wall() -> Int { SystemClock().wall() }
}
