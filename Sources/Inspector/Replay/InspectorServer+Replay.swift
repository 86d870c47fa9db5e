import EventIO
import HTTP1
import LocalServer
import ReverseProxy
import Support

/// Requests that the inspector sends itself, subject to the proxy's rules.
extension InspectorServer {
    /// How long the caller waits for the end of the exchange.
    private static let patienceForSent = Duration.seconds(30)

    /// Replays a recorded exchange or, if `id` is nil, sends a composed request.
    func send(again id: String?, _ request: LocalRequest, _ responder: LocalResponder) {
        let outgoing: OutgoingRequest
        let original: ExchangeID?
        let settings = proxy.current().settings
        do {
            let composition = try Self.composition(request.body)
            guard let id else {
                guard let target = composition.target else {
                    throw InvalidMember(field: "target", problem: "is missing")
                }
                outgoing = OutgoingRequest(composition, target: target)
                original = nil
                return send(outgoing, again: original, settings, responder)
            }
            guard let model = find(id, responder) else { return }
            outgoing = try OutgoingRequest(again: model, composition)
            original = model.id
        } catch let fault as InvalidMember {
            return responder.send(fault.response)
        } catch let refusal as OutgoingRequest.Refusal {
            return responder.send(Self.response(to: refusal))
        } catch {
            return responder.send(InspectorResponse.problem(.noObject))
        }
        send(outgoing, again: original, settings, responder)
    }

    private struct NoObject: Error {}

    private static func composition(_ body: [UInt8]) throws -> Composition {
        guard !body.isEmpty else { return Composition() }
        guard let json = JSONValue(parsing: body), case .object = json else { throw NoObject() }
        return try Composition(json)
    }

    private func send(
        _ outgoing: OutgoingRequest,
        again original: ExchangeID?,
        _ settings: ProxyConfiguration?,
        _ responder: LocalResponder
    ) {
        guard case .open = life else { return responder.send(InspectorResponse.problem(.notSentAnyMore)) }
        guard sendings.count < Self.maximumSending, let pair = SocketIO.pair() else {
            return responder.send(InspectorResponse.problem(.inspectorOverloaded))
        }
        ticket += 1
        let ticket = ticket
        let origin = original.map { ConnectionOrigin.replay(of: $0, ticket: ticket) } ?? .composer(ticket: ticket)
        let client = InnerClient(
            loop: loop,
            descriptor: pair.0,
            request: outgoing.octets(host: Self.host(of: proxy.listen), key: settings?.access.key),
            isHead: outgoing.method == Array("HEAD".utf8)
        ) { [unowned self] ending in
            guard let sending = sendings[ticket] else { return }
            if sending.end(ending) { look(ticket) } else { remove(ticket) }
        }
        sendings[ticket] = Sending(
            client: client,
            responder: responder,
            limit: EventTimer(loop: loop) { [unowned self] in outlasted(ticket) },
            look: EventTimer(loop: loop) { [unowned self] in look(ticket) }
        )
        sendings[ticket]?.limit.arm(after: Self.patienceForSent)
        proxy.adopt(pair.1, origin)
        client.start()
    }

    // MARK: The end

    /// Checks whether the recording is complete, and soon again if not: a worker may be about to write its end.
    private func look(_ ticket: UInt64) {
        guard let sending = sendings[ticket], case .recording(let responder, let ending, _) = sending.state else {
            return
        }
        collect()
        let exchange = store.exchange(ticket: ticket)
        if let exchange, exchange.ending != nil {
            responder.send(sent(exchange, 201))
        } else if let pause = sending.nextPause() {
            return sending.look.arm(after: pause)
        } else {
            responder.send(exchange.map { sent($0, 202) } ?? InspectorResponse.problem(.notSeen(ending.status)))
        }
        remove(ticket)
    }

    /// The exchange takes long, like an event stream: the caller can follow it.
    private func outlasted(_ ticket: UInt64) {
        guard let responder = sendings[ticket]?.letFollow() else { return }
        collect()
        let exchange = store.exchange(ticket: ticket)
        responder.send(
            exchange.map { sent($0, $0.ending == nil ? 202 : 201) } ?? InspectorResponse.problem(.notSeen(nil))
        )
    }

    private func sent(_ exchange: StoredExchange, _ status: Int) -> LocalResponse {
        var response = InspectorResponse.json(status, detail(of: exchange))
        response.fields.append(("Location", "/api/exchanges/\(exchange.id)"))
        return response
    }

    private func remove(_ ticket: UInt64) {
        guard let sending = sendings.removeValue(forKey: ticket) else { return }
        sending.stop()
        // Retained, because one of its callbacks may be running.
        retired = sending
    }

    // MARK: Refusals

    private static func response(to refusal: OutgoingRequest.Refusal) -> LocalResponse {
        let missing = refusal.missing.joined(separator: ", ")
        let detail =
            switch refusal.reason {
            case .running: "The exchange still runs."
            case .websocket: "A WebSocket cannot be sent again."
            case .cut: "Not all of the request was kept: \(missing). Give what is missing."
            case .refused:
                "Squire refused it for who asked, or where to, and would not refuse the inspector. Give what is to be "
                    + "sent: \(missing)."
            case .redacted: "What is secret was not kept: \(missing). Give what is missing."
            }
        return InspectorResponse.problem(
            Problem(.notReplayable, detail: detail),
            members: [
                .init("why", .string(refusal.reason.rawValue)),
                .init("missing", .array(refusal.missing.map(JSONValue.string))),
            ]
        )
    }
}

extension Problem {
    fileprivate static let notSentAnyMore = Problem(
        .shuttingDown,
        detail: "Squire is shutting down, and sends nothing any more."
    )

    /// No exchange was recorded. The API should be checked before the request is sent again.
    fileprivate static func notSeen(_ status: Int?) -> Problem {
        let answer = status.map { "the answer was status \($0)" } ?? "no answer came"
        return Problem(
            .overloaded,
            detail: "No exchange was recorded, and \(answer). Whether the API saw the request, its own log says."
        )
    }
}
