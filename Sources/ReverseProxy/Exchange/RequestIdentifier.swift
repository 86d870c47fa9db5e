import HTTP1
import Platform

/// X-Request-ID: the name by which a client, Squire and the API's support refer to one request.
enum RequestIdentifier {
    private static let name: StaticString = "x-request-id"

    /// The value in `head`, which has a start line and field lines; empty if there is none. Allocates nothing.
    static func find(in head: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        let none = UnsafeBufferPointer(rebasing: head[head.endIndex...])
        guard let base = head.baseAddress else { return none }
        let length = name.utf8CodeUnitCount
        var start = 0
        while start < head.count, let end = memchr(base + start, Int32(Octet.lineFeed), head.count - start) {
            let next = UnsafeRawPointer(base).distance(to: end) + 1
            if next - start > length, base[start + length] == Octet.colon,
                head.span.matches(ByteRange(start, start + length), name)
            {
                let value = head.span.trimmed(ByteRange(start + length + 1, max(start + length + 1, next - 2)))
                return UnsafeBufferPointer(rebasing: head[value.range])
            }
            start = next
        }
        return none
    }
}
