/// Parses one direction of a WebSocket (RFC 6455 section 5.2): joins fragments to messages, and unmasks them. Holds at
/// most `limit` octets of a message, and no more in all than there is room for.
struct FrameReader {
    struct Message: Equatable {
        var opcode: Int
        /// The size of the payload in octets, stored or not.
        var size: UInt64
        var payload: [UInt8]
        /// Compressed by an extension (RFC 7692): the content cannot be read.
        var isCompressed: Bool
    }

    private enum State {
        /// The part of a frame's head that has arrived.
        case head([UInt8])
        case payload(Frame, left: UInt64)
        /// The stream is not a valid WebSocket.
        case broken
    }

    private struct Frame {
        var isLast: Bool
        var isControl: Bool
        var mask: [UInt8]
        /// The offset in the payload, for unmasking.
        var offset = 0
    }

    private let limit: Int
    private var state = State.head([])
    /// An unfinished message of several frames; control frames may come between them (section 5.4).
    private var message: Message?
    private var control: Message?

    init(limit: Int) {
        self.limit = limit
    }

    /// The number of octets of incomplete messages.
    var held: Int { (message?.payload.count ?? 0) + (control?.payload.count ?? 0) }

    /// Overwrites its octets and stops reading.
    mutating func wipe() {
        message?.payload.wipe()
        control?.payload.wipe()
        (message, control) = (nil, nil)
        state = .broken
    }

    /// Passes the messages that `octets` complete to `body`. `room` is how many more octets may be held.
    mutating func read(_ octets: [UInt8], room: Int = .max, _ body: (Message) -> Void) {
        var room = room
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
                // An empty frame is complete.
                if case .payload(let frame, 0) = state { end(frame, body) }
            case .payload(var frame, let left):
                guard position < octets.count else { return }
                let part = Int(min(left, UInt64(octets.count - position)))
                append(octets[position..<position + part], &frame, &room)
                position += part
                state = .payload(frame, left: left - UInt64(part))
                if UInt64(part) == left { end(frame, body) }
            }
        }
    }

    /// The length of a frame's head in octets, as far as its beginning shows it.
    private static func length(of head: [UInt8]) -> Int {
        guard head.count >= 2 else { return 2 }
        let extended =
            switch head[1] & 0x7F {
            case 126: 2
            case 127: 8
            default: 0
            }
        return 2 + extended + (head[1] & 0x80 != 0 ? 4 : 0)
    }

    private mutating func begin(_ head: [UInt8]) {
        let opcode = Int(head[0] & 0x0F)
        let hasMask = head[1] & 0x80 != 0
        let lengthOctets = head[2..<head.count - (hasMask ? 4 : 0)]
        let size = lengthOctets.isEmpty ? UInt64(head[1] & 0x7F) : lengthOctets.reduce(0) { $0 << 8 | UInt64($1) }
        let isControl = opcode >= 8
        // The most significant bit must be 0, and a control frame must be short and unfragmented (sections 5.2 and
        // 5.5).
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

    private mutating func append(_ octets: ArraySlice<UInt8>, _ frame: inout Frame, _ room: inout Int) {
        if frame.isControl {
            control?.append(octets, frame.mask, from: frame.offset, limit: limit, &room)
        } else {
            message?.append(octets, frame.mask, from: frame.offset, limit: limit, &room)
        }
        frame.offset = (frame.offset &+ octets.count) & 3
    }

    private mutating func end(_ frame: Frame, _ body: (Message) -> Void) {
        state = .head([])
        guard frame.isLast, let message = frame.isControl ? control : message else { return }
        body(message)
        if frame.isControl { control = nil } else { self.message = nil }
    }
}

extension FrameReader.Message {
    /// Stored octets have no gaps: after an omission nothing more is added.
    fileprivate mutating func append(
        _ octets: ArraySlice<UInt8>,
        _ mask: [UInt8],
        from offset: Int,
        limit: Int,
        _ room: inout Int
    ) {
        let isWhole = !isCompressed && size == UInt64(payload.count)
        let fits = isWhole ? min(octets.count, max(0, limit - payload.count), max(0, room)) : 0
        for (index, octet) in octets.prefix(fits).enumerated() {
            payload.append(mask.isEmpty ? octet : octet ^ mask[(offset &+ index) & 3])
        }
        size &+= UInt64(octets.count)
        room -= fits
    }
}

/// Splits an event stream into events (WHATWG HTML section 9.2.5), which end with empty lines. Holds at most `limit`
/// octets of an event, and no more than there is room for.
struct EventStreamReader {
    private let limit: Int
    private var event: [UInt8] = []
    private var size: UInt64 = 0
    private var isLineEmpty = true
    private var wasReturn = false

    init(limit: Int) {
        self.limit = limit
    }

    /// The number of octets of the incomplete event.
    var held: Int { event.count }

    /// Overwrites its octets.
    mutating func wipe() { event.wipe() }

    /// Passes the events that `octets` complete to `body`: their lines without the empty one, their size in octets, and
    /// whether they are complete. `room` is how many more octets may be held.
    mutating func read(
        _ octets: [UInt8],
        room: Int = .max,
        _ body: (_ event: [UInt8], _ size: UInt64, _ isWhole: Bool) -> Void
    ) {
        var room = room
        for octet in octets {
            // A line ends with CR LF, LF or CR.
            defer { wasReturn = octet == 0x0D }
            if octet == 0x0A, wasReturn { continue }
            guard octet == 0x0A || octet == 0x0D else {
                isLineEmpty = false
                append(octet, &room)
                continue
            }
            guard isLineEmpty else {
                isLineEmpty = true
                append(0x0A, &room)
                continue
            }
            guard size > 0 else { continue }
            let isWhole = size == UInt64(event.count)
            if event.last == 0x0A { event.removeLast() }
            body(event, size, isWhole)
            event = []
            size = 0
        }
    }

    /// Stored octets have no gaps.
    private mutating func append(_ octet: UInt8, _ room: inout Int) {
        if size == UInt64(event.count), event.count < limit, room > 0 {
            event.append(octet)
            room -= 1
        }
        size &+= 1
    }
}
