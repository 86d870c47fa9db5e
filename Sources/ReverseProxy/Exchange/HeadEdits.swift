import EventIO
import HTTP1

/// How the fields of a head differ from those of another, by name: the fields that Squire added, replaced and removed.
///
/// For people who look closely: it allocates. Values are compared, but neither kept nor shown.
public struct HeadEdits: Equatable, Sendable {
    public private(set) var added: [String] = []
    public private(set) var replaced: [String] = []
    public private(set) var removed: [String] = []

    /// The maximum number of names shown of each kind; the others are counted.
    private static let limit = 40

    /// The fields of a head, in order.
    struct Fields {
        fileprivate let lines: [(name: String, value: [UInt8])]

        /// `head` is a start line, field lines and possibly an empty line, each with CR LF.
        init(_ head: UnsafeRawBufferPointer, secrets: KnownSecrets) {
            var lines: [(name: String, value: [UInt8])] = []
            for line in head.split(separator: Octet.lineFeed).dropFirst() {
                guard let colon = line.firstIndex(of: Octet.colon) else { continue }
                let value = line[(colon + 1)...].drop(while: Octet.isBlank).filter { $0 != Octet.carriageReturn }
                lines.append((Self.shown(line[..<colon], secrets), Array(value)))
            }
            self.lines = lines
        }

        /// A name is a token (RFC 9110 section 5.6.2), so it cannot affect a terminal; but it may be long, or a
        /// misplaced secret.
        private static func shown(_ name: Slice<UnsafeRawBufferPointer>, _ secrets: KnownSecrets) -> String {
            let scratch = ByteBuffer(capacity: 64)
            let octets = UnsafeRawBufferPointer(rebasing: name).assumingMemoryBound(to: UInt8.self)
            let shown = Redaction.shown(octets, secrets: secrets, limit: 64, scratch: scratch)
            return String(decoding: shown, as: UTF8.self)
        }
    }

    init(from before: Fields, to after: Fields) {
        var (gone, come) = (before.lines, [(name: String, value: [UInt8])]())
        for line in after.lines {
            if let same = gone.firstIndex(where: { $0.value == line.value && Self.isSame($0.name, line.name) }) {
                gone.remove(at: same)
            } else {
                come.append(line)
            }
        }
        for line in come {
            if let other = gone.firstIndex(where: { Self.isSame($0.name, line.name) }) {
                gone.remove(at: other)
                replaced.append(line.name)
            } else {
                added.append(line.name)
            }
        }
        removed = gone.map(\.name)
        for list in [\HeadEdits.added, \.replaced, \.removed] where self[keyPath: list].count > Self.limit {
            let more = self[keyPath: list].count - Self.limit
            self[keyPath: list] = Array(self[keyPath: list].prefix(Self.limit)) + ["and \(more) more"]
        }
    }

    private static func isSame(_ left: String, _ right: String) -> Bool { left.lowercased() == right.lowercased() }

    public var isEmpty: Bool { added.isEmpty && replaced.isEmpty && removed.isEmpty }
}
