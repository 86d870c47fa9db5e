import Upstream

/// Talks to one engine: what differs between engines, behind the calls and the watch that they share.
///
/// *Threading*: `read`, `swap` and `remove` block and are called from one thread; the rest is called from any thread.
protocol StoreClient: Sendable {
    /// How the engine's threads are called.
    var name: String { get }
    /// How long one request may take.
    var patience: Duration { get }
    /// How often the value is read besides the watch, give or take half of it.
    var readInterval: Duration { get }
    var streams: StreamManner { get }

    func read() -> Result<StoreReading, SharedStoreFailure>
    func swap(expecting: StoredValue?, with bytes: [UInt8]) -> SwapOutcome
    func remove(expecting: StoredValue) -> SwapOutcome
    /// Which server answered last; nil before, and where the engine is one server.
    var member: String? { get }

    /// The request of a watch that tells what comes after `position`.
    func watch(after position: StorePosition) -> Result<StoreStream, SharedStoreFailure>
    /// What one line of that endpoint's watch says.
    func line(_ bytes: [UInt8], at endpoint: String) -> StoreWatchLine
    /// Why a request brought no stream, or no more of it.
    func failure(
        _ end: BlockingRequest.Outcome,
        at endpoint: String
    ) -> SharedStoreFailure
    /// Ends the stream of the watch when a call leaves its endpoint, and once the client is stopped.
    var stream: StreamSwitch { get }
    /// The stream of that endpoint ended, or was not opened.
    func watchEnded(at endpoint: String, _ failure: SharedStoreFailure)

    /// Looks at what else is configured. Blocks, on the watch's thread, which hears nothing meanwhile.
    func survey()

    /// What is set up in a way that cannot work, while the rest does; nil if nothing is known of it.
    var misconfiguration: SharedStoreFailure? { get }

    /// Nothing is sent any more.
    func stop()
}

extension StoreClient {
    func survey() {}
    var misconfiguration: SharedStoreFailure? { nil }
}

/// How an engine's streams begin and end.
enum StreamManner: Sendable {
    /// A line says that the stream is open. Its end is a fault.
    case endless
    /// A stream is open as soon as its head has come. The engine ends it now and then.
    case leased
}

/// A stream that is to be opened.
struct StoreStream: Sendable {
    /// Where, as failures name it.
    var endpoint: String
    var request: BlockingRequest
    var settings: UpstreamSettings
}

/// What a read brought.
struct StoreReading: Equatable, Sendable {
    var value: StoredValue?
    /// Where the engine was at that moment.
    var position: StorePosition
}

/// A moment of an engine's history.
public enum StorePosition: Equatable, Sendable {
    /// What comes later has a higher number, unless the engine was restored.
    case number(Int64)
    /// The engine does not say what comes later.
    case token(String)

    /// Whether this comes before `other` for certain: the engine's history is another one than when `other` was heard.
    func isBefore(_ other: StorePosition) -> Bool {
        guard case (.number(let mine), .number(let others)) = (self, other) else { return false }
        return mine < others
    }

    /// Whether this was told for certain when `heard` was.
    func isKnown(to heard: StorePosition) -> Bool {
        guard case (.number(let mine), .number(let others)) = (self, heard) else { return false }
        return mine <= others
    }
}
