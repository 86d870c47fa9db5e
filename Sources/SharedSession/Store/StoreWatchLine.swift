/// The meaning of one line of a watch.
public enum StoreWatchLine: Equatable {
    /// The stream is open. Changes after the requested position follow.
    case opened
    /// The last of the changes that the line reports.
    case changed(StoredValue?, at: StorePosition)
    /// The engine no longer has the changes after the requested position.
    case forgotten
    /// The watch has ended.
    case ended(SharedStoreFailure)
    /// The line does not concern the value.
    case idle
}

/// Assembles lines from chunks of the body, which may end anywhere.
public struct StoreLines {
    /// The maximum length of a line. It has room for several values in base64.
    static let maxLineBytes = 2 * 1024 * 1024

    private var rest: [UInt8] = []

    public init() {}

    /// The lines that `bytes` complete, without blank ones. Nil if a line is too long; the rest of the stream is
    /// unusable then.
    public mutating func append(_ bytes: [UInt8]) -> [[UInt8]]? {
        var lines: [[UInt8]] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard rest.count + (end - start) <= Self.maxLineBytes else { return nil }
            let line = rest + bytes[start..<end]
            rest = []
            if !line.allSatisfy({ $0 <= 0x20 }) { lines.append(line) }
            start = end + 1
        }
        guard rest.count + (bytes.count - start) <= Self.maxLineBytes else { return nil }
        rest += bytes[start...]
        return lines
    }

    /// Whether the last line is incomplete.
    var isCut: Bool { !rest.isEmpty }
}
