import ReverseProxy
import Testing

@testable import Inspector

@Suite struct OutgoingRequestTests {
    private static func model(_ change: (inout StoredExchange) -> Void = { _ in }) -> StoredExchange {
        var exchange = StoredExchange(
            id: ExchangeID(prefix: 0xA7, number: 12),
            sequence: 1,
            wallMilliseconds: 0,
            connection: 1,
            origin: .client,
            method: Array("POST".utf8),
            target: Array("/api/orders?a=1".utf8)
        )
        exchange.request.headSize = 100
        exchange.request.fields = [
            field("Host", "127.0.0.1:8080"), field("X-Tab", "a\tb"), field("Content-Length", "3"),
            field("Connection", "keep-alive"),
        ]
        exchange.request.body.size = 3
        exchange.request.body.kept = Array("abc".utf8)
        exchange.ending = RecordedEvent.Ending(
            status: 201,
            outcome: .complete,
            needsLogin: false,
            attempts: 1,
            requestBytes: 3,
            responseBytes: 0,
            totalNanoseconds: 1,
            upstreamNanoseconds: 1,
            tokenNanoseconds: 0,
            refresh: .none,
            wasReplayable: true
        )
        change(&exchange)
        return exchange
    }

    private static func field(_ name: String, _ value: String) -> StoredField {
        StoredField(name: Array(name.utf8), value: Array(value.utf8))
    }

    private static func refusal(
        _ composition: Composition = Composition(),
        _ change: (inout StoredExchange) -> Void
    ) -> OutgoingRequest.Refusal? {
        do throws(OutgoingRequest.Refusal) {
            _ = try OutgoingRequest(again: model(change), composition)
            return nil
        } catch {
            return error
        }
    }

    private static func text(_ octets: [UInt8]) -> String { String(decoding: octets, as: UTF8.self) }

    @Test func theSameOctetsGoAgain() throws {
        let request = try OutgoingRequest(again: Self.model(), Composition())
        #expect(
            Self.text(request.octets(host: "127.0.0.1:9", key: nil))
                == "POST /api/orders?a=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Tab: a\tb\r\nContent-Length: 3\r\n\r\nabc"
        )
    }

    @Test func aHostThatIsNoOfThisMachineIsNotSentAgain() throws {
        let model = Self.model { $0.request.fields = [Self.field("Host", "evil.example")] }
        let request = try OutgoingRequest(again: model, Composition())
        #expect(Self.text(request.octets(host: "localhost:9", key: nil)).contains("\r\nHost: localhost:9\r\n"))
    }

    /// A page that was rebound to this machine must not get through by a person who looks at it and presses a key.
    @Test(arguments: ["misdirected_request", "forbidden_origin", "wrong_key", "forbidden_user", "loop_detected"])
    func whatSquireTurnedAwayIsNotSentAgain(_ code: String) throws {
        let change = { (exchange: inout StoredExchange) in
            exchange.request.fields = [Self.field("Host", "evil.example")]
            exchange.ownAnswer = StoredOwnAnswer(status: 421, code: code, body: [], at: 0)
        }
        #expect(Self.refusal(Composition(), change)?.reason == .refused)
        let (target, fields) = (Array("/y".utf8), [Self.field("X-Mine", "1")])
        #expect(Self.refusal(Composition(target: target), change)?.missing == ["fields"])
        // The whole of it given anew is a request of whoever gives it.
        #expect(Self.refusal(Composition(target: target, fields: fields), change) == nil)
        // What the upstream, or its absence, made of a request that passed says nothing against it.
        let passed = { (exchange: inout StoredExchange) in
            change(&exchange)
            exchange.route = .ordinary
        }
        #expect(Self.refusal(Composition(), passed) == nil)
    }

    @Test func theKeyGoesAlong() throws {
        let request = OutgoingRequest(Composition(), target: Array("/x".utf8))
        #expect(
            Self.text(request.octets(host: "localhost", key: Array("k".utf8)))
                == "GET /x HTTP/1.1\r\nHost: localhost\r\nX-Squire-Key: k\r\n\r\n"
        )
    }

    @Test func whatIsGivenReplacesWhatWasRecorded() throws {
        let composition = Composition(
            method: Array("PUT".utf8),
            target: Array("/y".utf8),
            fields: [Self.field("Authorization", "Basic x")],
            body: []
        )
        let request = try OutgoingRequest(again: Self.model(), composition)
        #expect(
            Self.text(request.octets(host: "localhost", key: nil))
                == "PUT /y HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Basic x\r\nContent-Length: 0\r\n\r\n"
        )
    }

    @Test func noLengthIsInventedForARequestWithoutABody() throws {
        let model = Self.model {
            $0.method = Array("GET".utf8)
            $0.request.fields = []
            $0.request.body = StoredBody()
        }
        let request = try OutgoingRequest(again: model, Composition())
        #expect(!Self.text(request.octets(host: "localhost", key: nil)).contains("Content-Length"))
    }

    @Test func theClientsCredentialIsDroppedWhereTheSessionsReplacesIt() throws {
        // Squire forwards no spelling that a server may read as the session's field.
        let spellings = [
            ("Authorization", "Authorization"), ("x-token", "X-Token"), ("X-Token", "X_Token"), ("x_token", "X-Token"),
            ("Authorization_", "Authorization"),
        ]
        for (name, replaced) in spellings {
            let change = { (exchange: inout StoredExchange) in
                exchange.request.fields = [Self.field(name, "Bearer ‹redacted›")]
                exchange.request.redactions = ["field \(name)"]
            }
            for other in [nil, "X-Other"] {
                let refusal = Self.refusal(Composition()) {
                    change(&$0)
                    $0.replaced = other
                }
                #expect(refusal == .init(reason: .redacted, missing: ["field \(name)"]))
            }
            let model = Self.model {
                change(&$0)
                $0.replaced = replaced
            }
            #expect(try OutgoingRequest(again: model, Composition()).fields.isEmpty)
        }
    }

    @Test func whatWasRedactedMustBeGiven() {
        let change = { (exchange: inout StoredExchange) in
            exchange.request.redactions = ["field Cookie", "field X-Squire-Key", "query token"]
            exchange.request.body.redactions = ["/password"]
        }
        #expect(
            Self.refusal(Composition(), change)
                == .init(reason: .redacted, missing: ["field Cookie", "query token", "/password"])
        )
        let whole = Composition(target: Array("/".utf8), fields: [], body: [])
        #expect(Self.refusal(whole, change) == nil)
        #expect(Self.refusal(Composition(body: []), change)?.missing == ["field Cookie", "query token"])
    }

    @Test func aBodyThatIsNotAllThereIsNotSent() {
        for change: (inout StoredBody) -> Void in [
            { $0.isCut = true }, { $0.size = 4 }, { ($0.encoding, $0.size) = ("gzip", 20) },
            { ($0.unreadable, $0.kept) = ("br", []) },
        ] {
            #expect(
                Self.refusal { change(&$0.request.body) } == .init(reason: .cut, missing: ["body"])
            )
            #expect(Self.refusal(Composition(body: [])) { change(&$0.request.body) } == nil)
        }
    }

    @Test func aLateRecordingHasNoFields() {
        #expect(Self.refusal { $0.isLate = true } == .init(reason: .cut, missing: ["fields"]))
        #expect(Self.refusal(Composition(fields: [])) { $0.isLate = true } == nil)
    }

    @Test func aTargetThatWasTooLongIsNotSent() {
        let long = Array("/".utf8) + [UInt8](repeating: 0x61, count: 8 * 1024 - 1)
        #expect(Self.refusal { $0.target = long } == .init(reason: .cut, missing: ["target"]))
    }

    @Test func theWorstReasonIsNamed() {
        let all = { (exchange: inout StoredExchange) in
            exchange.request.body.isCut = true
            exchange.request.redactions = ["field Cookie"]
        }
        #expect(Self.refusal(Composition(), all)?.reason == .cut)
        let tunnel = { (exchange: inout StoredExchange) in
            all(&exchange)
            exchange.request.fields = [Self.field("Upgrade", "WebSocket")]
        }
        #expect(Self.refusal(Composition(), tunnel)?.reason == .websocket)
        #expect(Self.refusal(Composition(fields: [], body: []), tunnel)?.reason == .websocket)
        #expect(Self.refusal { $0.ending = nil }?.reason == .running)
    }

    @Test(arguments: [
        (["http://127.0.0.1:8080"], "127.0.0.1:8080"), (["http://0.0.0.0:8080"], "localhost:8080"),
        (["unix:/run/x"], "localhost"), (["unix:/run/x", "http://[::1]:9"], "[::1]:9"), ([], "localhost"),
    ])
    func squireIsCalledByItsOwnName(_ listen: [String], _ host: String) {
        #expect(InspectorServer.host(of: listen) == host)
    }
}
