import Upstream

/// The client of one engine: the part of `EngineStore` that differs between engines.
///
/// *Threading*: `read`, `swap`, `remove` and `probe` block, and are called from one thread. The rest is called from any thread.
protocol StoreClient: Sendable {
    /// The prefix of the names of the engine's threads.
    var name: String { get }
    /// The time limit of one request.
    var requestTimeout: Duration { get }
    /// The interval of the reads beside the watch, randomized by half of it in both directions.
    var readInterval: Duration { get }
    var streams: StreamLifetime { get }

    func read() -> Result<StoreReading, SharedStoreFailure>
    func swap(expecting: StoredValue?, with bytes: [UInt8]) -> SwapOutcome
    func remove(expecting: StoredValue) -> SwapOutcome
    /// See `SharedStore.probe`.
    func probe(_ value: StoredValue) -> SwapOutcome
    /// The server that answered last. Nil before the first answer, and for an engine that is one server.
    var member: String? { get }

    /// The request of a watch that reports changes after `position`.
    func watch(after position: StorePosition) -> Result<StoreStream, SharedStoreFailure>
    /// Parses one line of the watch at `endpoint`.
    func line(_ bytes: [UInt8], at endpoint: String) -> StoreWatchLine
    /// Why a request opened no stream, or why its stream ended.
    func failure(
        _ end: BlockingRequest.Outcome,
        at endpoint: String
    ) -> SharedStoreFailure
    /// Ends the watch's stream when a call gives up its endpoint, and when the client stops.
    var stream: StreamSwitch { get }
    /// Reports that the stream at `endpoint` ended or could not be opened.
    func watchEnded(at endpoint: String, _ failure: SharedStoreFailure)

    /// Examines the rest of the configuration. Blocks the watch's thread, which receives nothing meanwhile.
    func survey()

    /// A part of the configuration that cannot work although the store does; nil if none is known.
    var misconfiguration: SharedStoreFailure? { get }

    /// Sends nothing from now on.
    func stop()
}

extension StoreClient {
    func survey() {}
    func probe(_ value: StoredValue) -> SwapOutcome {
        swap(expecting: .neverStored(value.revision), with: value.bytes)
    }
    var misconfiguration: SharedStoreFailure? { nil }
}

/// How an engine's streams begin and end.
enum StreamLifetime: Sendable {
    /// A line says that the stream is open. Its end is a failure.
    case endless
    /// The stream is open once its response head has arrived. The engine ends it from time to time.
    case leased
}

/// A stream to open.
struct StoreStream: Sendable {
    /// The server, as failures name it.
    var endpoint: String
    var request: BlockingRequest
    var settings: UpstreamSettings
}

/// The result of a read.
struct StoreReading: Equatable, Sendable {
    var value: StoredValue?
    /// The engine's position at the time of the read.
    var position: StorePosition
}

/// A point in an engine's history.
public enum StorePosition: Equatable, Sendable {
    /// Later positions are higher, unless the engine was restored.
    case number(Int64)
    /// An opaque token. Positions have no order.
    case token(String)

    /// Whether this position certainly comes before `other`. If it does although it was read later, the engine's
    /// history is another one.
    func isBefore(_ other: StorePosition) -> Bool {
        guard case (.number(let mine), .number(let others)) = (self, other) else { return false }
        return mine < others
    }

    /// Whether a change at this position had certainly happened at `latest`.
    func isIncluded(in latest: StorePosition) -> Bool {
        guard case (.number(let mine), .number(let others)) = (self, latest) else { return false }
        return mine <= others
    }
}
