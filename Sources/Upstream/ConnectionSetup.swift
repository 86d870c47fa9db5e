/// What the parts of making a connection took, in nanoseconds; nil for what was not done.
public struct ConnectionSetup: Equatable, Sendable {
    /// To look the name up.
    public var lookup: UInt64?
    /// For the handshake with the upstream, and with a proxy before it.
    public var tls: UInt64?

    public init(lookup: UInt64? = nil, tls: UInt64? = nil) {
        self.lookup = lookup
        self.tls = tls
    }
}
