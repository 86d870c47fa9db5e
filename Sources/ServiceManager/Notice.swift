import Platform

/// What a service manager is told, as sd_notify(3) words it. Statuses are for people, and hold no secret.
public enum Notice: Sendable, Equatable {
    /// It serves, from now on or again.
    case ready(status: String)
    /// The configuration is read again; `ready` follows, whatever comes of it. Microseconds of CLOCK_MONOTONIC.
    case reloading(at: UInt64)
    /// It ends, and nothing has gone wrong if that lasts so many microseconds.
    case stopping(status: String, within: UInt64)
    case status(String)

    /// How long a status can be, in octets. A manager reads 4096 of a message (PIPE_BUF), and shows a line.
    static let maximumStatus = 512

    /// The message: an assignment on each line.
    public var datagram: [UInt8] {
        let text =
            switch self {
            case .ready(let status): "READY=1\nSTATUS=\(Self.line(status))\n"
            case .reloading(let now): "RELOADING=1\nMONOTONIC_USEC=\(now)\nSTATUS=The configuration is read again.\n"
            case .stopping(let status, let within):
                "STOPPING=1\nSTATUS=\(Self.line(status))\nEXTEND_TIMEOUT_USEC=\(within)\n"
            case .status(let status): "STATUS=\(Self.line(status))\n"
            }
        return Array(text.utf8)
    }

    /// One line, of a bounded length: what would begin another assignment does not.
    private static func line(_ text: String) -> String {
        var line = ""
        var length = 0
        for scalar in text.unicodeScalars {
            let shown = scalar.properties.generalCategory == .control ? " " : scalar
            length += UTF8.width(shown)
            guard length <= maximumStatus else { return line + "…" }
            line.unicodeScalars.append(shown)
        }
        return line
    }
}
