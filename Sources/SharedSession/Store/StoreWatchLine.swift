/// What one line of a watch says.
public enum StoreWatchLine: Equatable {
    /// The stream is open: what comes after the position that was asked for follows.
    case opened
    /// The last of the changes that it tells of.
    case changed(StoredValue?, at: StorePosition)
    /// The engine has forgotten what comes after the position that was asked for.
    case forgotten
    /// The engine tells no more.
    case ended(SharedStoreFailure)
    /// It says nothing of the value.
    case idle
}

/// Puts lines together: a chunk of the body may end anywhere.
public struct StoreLines {
    /// Longer lines are refused: several values in base64, and room.
    static let maxLineBytes = 2 * 1024 * 1024

    private var rest: [UInt8] = []

    public init() {}

    /// The lines that `bytes` complete, without the empty ones. Nil when a line is too long: nothing can be read any
    /// more then.
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

    /// Whether a line has begun that has not ended.
    var isCut: Bool { !rest.isEmpty }
}
