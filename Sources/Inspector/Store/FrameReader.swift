/// Takes a WebSocket's stream in one direction apart (RFC 6455 section 5.2): frames that belong together become one
/// message, masks are taken off. Holds at most `limit` octets of one message.
struct FrameReader {
    struct Message: Equatable {
        var opcode: Int
        /// Octets of its payload, whatever is kept of them.
        var size: UInt64
        var payload: [UInt8]
        /// An extension changed it (RFC 7692): what it says cannot be read.
        var isCompressed: Bool
    }

    private enum State {
        /// So much of a frame's head is here.
        case head([UInt8])
        case payload(Frame, left: UInt64)
        /// This is no WebSocket's stream.
        case broken
    }

    private struct Frame {
        var isLast: Bool
        var isControl: Bool
        var mask: [UInt8]
        /// Octets of the payload so far, for the mask.
        var offset = 0
    }

    private let limit: Int
    private var state = State.head([])
    /// A message of several frames, between which control frames may stand (section 5.4).
    private var message: Message?
    private var control: Message?

    init(limit: Int) {
        self.limit = limit
    }

    /// Hands over the messages that `octets` complete.
    mutating func read(_ octets: [UInt8], _ body: (Message) -> Void) {
        var position = 0
        while true {
            switch state {
            case .broken:
                return
            case .head(var head):
                while head.count < Self.length(of: head), position < octets.count {
                    head.append(octets[position])
                    position += 1
                }
                state = .head(head)
                guard head.count >= Self.length(of: head) else { return }
                begin(head)
                // An empty frame needs nothing more.
                if case .payload(let frame, 0) = state { end(frame, body) }
            case .payload(var frame, let left):
                guard position < octets.count else { return }
                let part = Int(min(left, UInt64(octets.count - position)))
                append(octets[position..<position + part], &frame)
                position += part
                state = .payload(frame, left: left - UInt64(part))
                if UInt64(part) == left { end(frame, body) }
            }
        }
    }

    /// Octets of a frame's head, as far as what is there of it tells.
    private static func length(of head: [UInt8]) -> Int {
        guard head.count >= 2 else { return 2 }
        let extended = [126: 2, 127: 8][Int(head[1] & 0x7F)] ?? 0
        return 2 + extended + (head[1] & 0x80 != 0 ? 4 : 0)
    }

    private mutating func begin(_ head: [UInt8]) {
        let opcode = Int(head[0] & 0x0F)
        let hasMask = head[1] & 0x80 != 0
        let lengthOctets = head[2..<head.count - (hasMask ? 4 : 0)]
        let size = lengthOctets.isEmpty ? UInt64(head[1] & 0x7F) : lengthOctets.reduce(0) { $0 << 8 | UInt64($1) }
        let isControl = opcode >= 8
        // The most significant bit is 0, and a control frame is short and whole (sections 5.2 and 5.5).
        guard size <= UInt64(Int64.max), !isControl || (size < 126 && head[0] & 0x80 != 0),
            opcode != 0 || message != nil
        else {
            state = .broken
            return
        }
        let fresh = Message(opcode: opcode, size: 0, payload: [], isCompressed: head[0] & 0x40 != 0)
        if isControl { control = fresh } else if opcode != 0 { message = fresh }
        let frame = Frame(isLast: head[0] & 0x80 != 0, isControl: isControl, mask: hasMask ? head.suffix(4) : [])
        state = .payload(frame, left: size)
    }

    private mutating func append(_ octets: ArraySlice<UInt8>, _ frame: inout Frame) {
        var message =
            (frame.isControl ? control : message) ?? Message(opcode: 0, size: 0, payload: [], isCompressed: false)
        let room = message.isCompressed ? 0 : max(0, limit - message.payload.count)
        for (index, octet) in octets.prefix(room).enumerated() {
            message.payload.append(frame.mask.isEmpty ? octet : octet ^ frame.mask[(frame.offset &+ index) & 3])
        }
        frame.offset = (frame.offset &+ octets.count) & 3
        message.size &+= UInt64(octets.count)
        if frame.isControl { control = message } else { self.message = message }
    }

    private mutating func end(_ frame: Frame, _ body: (Message) -> Void) {
        state = .head([])
        guard frame.isLast, let message = frame.isControl ? control : message else { return }
        body(message)
        if frame.isControl { control = nil } else { self.message = nil }
    }
}

/// Takes an event stream apart (WHATWG HTML section 9.2.5): what stands between empty lines. Holds at most `limit`
/// octets of one event.
struct EventStreamReader {
    private let limit: Int
    private var event: [UInt8] = []
    private var size: UInt64 = 0
    private var isLineEmpty = true
    private var wasReturn = false

    init(limit: Int) {
        self.limit = limit
    }

    /// Hands over the events that `octets` complete: their lines, without the empty one, and how many octets they had.
    mutating func read(_ octets: [UInt8], _ body: (_ event: [UInt8], _ size: UInt64) -> Void) {
        for octet in octets {
            // A line ends with CR LF, LF or CR.
            defer { wasReturn = octet == 0x0D }
            if octet == 0x0A, wasReturn { continue }
            guard octet == 0x0A || octet == 0x0D else {
                isLineEmpty = false
                append(octet)
                continue
            }
            guard isLineEmpty else {
                isLineEmpty = true
                append(0x0A)
                continue
            }
            guard size > 0 else { continue }
            if event.last == 0x0A { event.removeLast() }
            body(event, size)
            event = []
            size = 0
        }
    }

    private mutating func append(_ octet: UInt8) {
        size += 1
        if event.count < limit { event.append(octet) }
    }
}
