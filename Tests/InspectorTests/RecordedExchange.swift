import Credentials
import Redaction
import ReverseProxy

@testable import Inspector

/// Makes the events of exchanges, as a worker would.
struct RecordedExchange {
    var id: ExchangeID
    var events: [RecordedEvent] = []
    /// Monotonic nanoseconds.
    let began: UInt64

    static let token = Array("aaaabbbb.ccccdddd.eeeeffff".utf8)

    init(_ number: UInt64 = 1, began: UInt64 = 1_000_000_000, origin: ConnectionOrigin = .client, isLate: Bool = false)
    {
        id = ExchangeID(prefix: 0xA7, number: number)
        self.began = began
        add(
            0,
            .began(
                RecordedEvent.Beginning(
                    connection: 12,
                    origin: origin,
                    isLate: isLate,
                    startedAt: began,
                    wallMilliseconds: 1_764_151_960_004
                )
            )
        )
    }

    /// `at` is milliseconds after the beginning.
    mutating func add(_ at: Double, _ what: RecordedEvent.What) {
        events.append(RecordedEvent(exchange: id, at: began + UInt64(at * 1e6), what: what))
    }

    mutating func request(_ line: String = "GET /api/x", _ fields: String = "", body: String = "") {
        let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\r\n"
        add(0, .requestHead(Array("\(line) HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\(fields)\(length)\r\n".utf8), .below))
        let sent = Array("\(line) HTTP/1.1\r\nHost: api.test\r\n\(fields)\(length)".utf8)
        let parts = RecordedEvent.HeadParts(madeOffset: sent.count - length.utf8.count, rulesOffset: sent.count)
        add(0.1, .sentHead(sent, parts, route: .ordinary, carriesCredential: true))
        if !body.isEmpty { add(0.1, .requestBody(Array(body.utf8))) }
    }

    mutating func attempt(_ number: Int = 1, _ generation: Generation = 7, at: Double = 0.1) {
        add(at, .attempt(number: number, generation: generation))
        add(at, .connected(isReused: true, lookup: 0, tls: 0))
    }

    mutating func answer(_ status: String = "200 OK", _ fields: String = "", body: String = "", at: Double = 10) {
        add(at, .responseHead(Array("HTTP/1.1 \(status)\r\n\(fields)\r\n".utf8)))
        if !body.isEmpty { add(at, .responseBody(Array(body.utf8))) }
    }

    mutating func end(
        _ status: Int = 200,
        at: Double = 11,
        outcome: ExchangeRecord.Outcome = .complete,
        requestBytes: UInt64 = 0,
        responseBytes: UInt64 = 0,
        needsLogin: Bool = false
    ) {
        add(
            at,
            .ended(
                RecordedEvent.Ending(
                    status: status,
                    outcome: outcome,
                    needsLogin: needsLogin,
                    attempts: 1,
                    requestBytes: requestBytes,
                    responseBytes: responseBytes,
                    totalNanoseconds: UInt64(at * 1e6),
                    upstreamNanoseconds: 0,
                    tokenNanoseconds: 0,
                    refresh: .none,
                    wasReplayable: true
                )
            )
        )
    }

    /// One that went well, with a body of that size.
    static func plain(_ number: UInt64, status: String = "200 OK", size: Int = 2) -> RecordedExchange {
        var exchange = RecordedExchange(number)
        exchange.request()
        exchange.attempt()
        exchange.answer(status, body: String(repeating: "x", count: size))
        exchange.end(Int(status.prefix(3))!, responseBytes: UInt64(size))
        return exchange
    }

    static var redactor: CurrentRedactor {
        CurrentRedactor(
            version: 1,
            redactor: Redactor(
                tokens: [Redactor.KnownToken(generation: 6, value: token)],
                secrets: [],
                isSecretField: SecretField.isNamed
            ),
            secrecy: SecrecyHistory(Secrecy()),
            limit: 65_536
        )
    }

    /// What is kept of it when it has ended.
    func stored(by assembler: ExchangeAssembler = ExchangeAssembler()) -> StoredExchange? {
        var result: StoredExchange?
        for event in events { assembler.take(event, { Self.redactor }) { result = $0 } }
        return result
    }
}

extension ExchangeStore {
    func put(_ exchange: RecordedExchange) { put(exchange.stored()!) }

    /// What went well so many times: taking secrets out of each anew is another test's.
    func put(_ numbers: some Sequence<UInt64>, size: Int = 2) {
        guard var exchange = RecordedExchange.plain(0, size: size).stored() else { return }
        for number in numbers {
            exchange.id.number = number
            put(exchange)
        }
    }

    /// The numbers of all exchanges, by their last change, the newest first.
    var numbers: [UInt64] {
        var result: [UInt64] = []
        walk { exchange in
            result.append(exchange.id.number)
            return true
        }
        return result
    }
}
