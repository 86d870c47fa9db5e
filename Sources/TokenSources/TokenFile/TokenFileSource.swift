public import Credentials
import Platform
import Threads

/// A token source that reads a file which another program writes.
///
/// *Threading*: call `get` on one thread at a time.
public final class TokenFileSource: TokenSource {
    /// Waiting times and polling intervals.
    public struct Times: Sendable {
        /// How long to wait for another token after one that is useless: the other program may be about to write it.
        public var patience = Duration.seconds(2)
        public var interval = Duration.milliseconds(50)

        public init() {}
    }

    private let configuration: TokenFileConfiguration
    private let reader: TokenFileReader
    private let margin: Duration
    private let times: Times
    private let clock: any CredentialClock
    private let state = Guarded(State())
    private let watcher = Guarded<TokenFileWatch?>(nil)

    private struct State {
        /// The last token that the session got or held.
        var given: Token?
        /// The token for whose successor a caller has already waited.
        var awaited: Token?
    }

    /// `margin` is how long before a token's end the session asks for the next one.
    public init(
        _ configuration: TokenFileConfiguration,
        margin: Duration,
        times: Times = Times(),
        clock: any CredentialClock = SystemClock()
    ) {
        self.configuration = configuration
        self.margin = margin
        self.times = times
        self.clock = clock
        reader = TokenFileReader(configuration)
    }

    deinit {
        watcher.with { $0.take() }?.stop()
    }

    /// Calls `changed`, on a thread of its own, whenever the file contains another token than the last one returned,
    /// until this source is released. `interval` is the polling interval where the system reports no changes. Call
    /// once.
    public func watch(
        interval: Duration = TokenFileWatch.standardInterval,
        changed: @escaping @Sendable () -> Void
    ) {
        let watch = TokenFileWatch(configuration.path, interval: interval) { [weak self] in
            if self?.hasNews == true { changed() }
        }
        watcher.with { $0 = watch }
    }

    var path: String { configuration.path }
    public var spends: Bool { false }

    public func get(_ held: HeldTokens) -> TokenOutcome {
        let first = reader.read(wall: clock.wall(), after: state.with { $0.given })
        guard case .token(let token, let expiresIn) = first, token == held.accessToken,
            isAboutToEnd(token, expiresIn) == false, isFirstTime(token)
        else { return outcome(first, held) }
        // The token was rejected before its end.
        return outcome(waitForChange(of: first) ?? first, held)
    }

    /// Whether the file contains another token than the last one returned.
    private var hasNews: Bool {
        guard case .token(let token, _) = reader.read(wall: clock.wall(), after: state.with { $0.given }) else {
            return false
        }
        return state.with { $0.given } != token
    }

    private func outcome(_ content: TokenFileContent, _ held: HeldTokens) -> TokenOutcome {
        switch content {
        case .token(let token, let expiresIn):
            state.with { $0.given = token }
            return token == held.accessToken
                ? .unchanged(expiresIn: expiresIn) : .obtained(TokenSet(accessToken: token, expiresIn: expiresIn))
        case .unfinished(let text): return .unavailable(reason: "the token file \(path) \(text)")
        case .wrong(let text): return .misconfigured(reason: "the token file \(path) \(text)")
        }
    }

    /// Whether the token is within the margin of its end: then the session asks ahead of time, and the next token comes
    /// when it is due.
    private func isAboutToEnd(_ token: Token, _ expiresIn: Int?) -> Bool {
        let left = expiresIn ?? token.claims?.expiresAt?.subtracting(saturating: clock.wall())
        return left.map { Int64($0) <= margin.components.seconds } ?? false
    }

    private func isFirstTime(_ token: Token) -> Bool {
        state.with { state in
            defer { state.awaited = token }
            return state.awaited != token
        }
    }

    /// Waits for the next content with a token; nil if none comes in time.
    private func waitForChange(of first: TokenFileContent) -> TokenFileContent? {
        let deadline = MonotonicClock.now().adding(saturating: times.patience.nanoseconds)
        let interval = Int32(clamping: times.interval.wholeMilliseconds)
        while MonotonicClock.now() < deadline {
            _ = poll(nil, 0, interval)
            let content = reader.read(wall: clock.wall(), after: state.with { $0.given })
            guard case .token(let token, _) = content, case .token(let former, _) = first else { continue }
            if token != former { return content }
        }
        return nil
    }
}
