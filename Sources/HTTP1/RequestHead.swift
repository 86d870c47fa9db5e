/// The methods that some rule depends on.
public enum MethodName: UInt8, Sendable {
    case other, get, head, post, put, delete, patch, options, trace, connect

    static func of(_ bytes: Span<UInt8>, _ range: ByteRange) -> MethodName {
        // Method names are case-sensitive (RFC 9110 section 9.1).
        func equals(_ text: StaticString) -> Bool {
            guard range.count == text.utf8CodeUnitCount else { return false }
            for index in 0..<range.count
            where unsafe bytes[Int(range.lowerBound) + index] != text.utf8Start[index] {
                return false
            }
            return true
        }
        switch range.count {
        case 3: return equals("GET") ? .get : equals("PUT") ? .put : .other
        case 4: return equals("POST") ? .post : equals("HEAD") ? .head : .other
        case 5: return equals("PATCH") ? .patch : equals("TRACE") ? .trace : .other
        case 6: return equals("DELETE") ? .delete : .other
        case 7: return equals("OPTIONS") ? .options : equals("CONNECT") ? .connect : .other
        default: return .other
        }
    }

    /// Whether sending the request twice has the same effect as sending it once (RFC 9110 section 9.2.2).
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .connect, .other: false
        }
    }
}

/// A request's head, as offsets into the buffer that it was parsed from. Valid until that buffer changes.
public struct RequestHead: Sendable {
    public enum TargetForm: Sendable {
        /// `/path?query`
        case origin
        /// `http://authority/path`
        case absolute
        /// `*`
        case asterisk
    }

    public var method = MethodName.other
    public var methodRange = ByteRange.empty
    /// The whole request target as it was sent.
    public var target = ByteRange.empty
    public var form = TargetForm.origin
    /// The part that is forwarded: path and query. Empty for a bare `http://authority`, which means `/`.
    public var pathAndQuery = ByteRange.empty
    /// The path alone.
    public var path = ByteRange.empty
    /// The authority of an absolute-form target.
    public var authority = ByteRange.empty
    /// 0 or 1.
    public var minorVersion = 1
    public var fields: [FieldLine] = []
    /// The known names that occur.
    public var names = FieldNames()
    public var framing = MessageFraming.none
    /// The value of Host; nil if there is none.
    public var host: ByteRange?
    public var keepsAlive = true
    public var expectsContinue = false
    /// True for an HTTP/1.1 GET without a body whose only Upgrade is `websocket` (RFC 6455 section 4.1). Other upgrades
    /// are ignored, as RFC 9110 section 7.8 allows: Squire could not read a connection that switched to cleartext
    /// HTTP/2.
    public var upgradesToWebSocket = false
    /// For OPTIONS only: how many more proxies may forward the request.
    public var maxForwards: UInt64?

    public init() {
        fields.reserveCapacity(32)
    }

    /// The first field with that name.
    public func first(_ id: FieldName) -> FieldLine? {
        names.contains(id) ? fields.first { $0.id == id } : nil
    }
}
