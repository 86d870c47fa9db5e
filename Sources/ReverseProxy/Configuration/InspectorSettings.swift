public import EventIO

/// Where the inspector listens, and what it keeps of exchanges.
public struct InspectorSettings: Sendable, Equatable {
    /// Nil turns the inspector off.
    public var listen: ListenAddress? = .tcp(host: "127.0.0.1", port: 8081)
    /// Bytes of the newest exchanges that are kept.
    public var keep = 16 * 1024 * 1024
    /// Bytes of each body that are kept.
    public var body = 64 * 1024
    /// Which exchanges are recorded.
    public var record = Recordings.Mode.auto

    public static let keepRange = 256 * 1024...1024 * 1024 * 1024
    public static let bodyRange = 1024...1024 * 1024

    public init() {}
}
