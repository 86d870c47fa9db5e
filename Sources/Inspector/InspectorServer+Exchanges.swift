import LocalServer
import ReverseProxy
import Support

/// Serves the list of exchanges, single exchanges, and bodies.
extension InspectorServer {
    private static let limits = 1...1000
    private static let usualLimit = 200

    func exchanges(_ request: LocalRequest, _ responder: LocalResponder) {
        let query = QueryItems(request.query)
        guard let window = ListWindow(query, run: run, limits: Self.limits, usual: Self.usualLimit),
            let filter = ExchangeFilter(query)
        else { return responder.send(InspectorResponse.problem(.badQuery)) }
        collect()
        let list = ListWindow.Found()
        search(window.search(store, filter), for: responder) {
            list.take($0, window, filter)
        } done: { [unowned self] in
            answer(list, window, filter, $0, responder)
        }
    }

    private func answer(
        _ found: ListWindow.Found,
        _ window: ListWindow,
        _ filter: ExchangeFilter,
        _ search: StoreSearch,
        _ responder: LocalResponder
    ) {
        var members: [JSONValue.Member] = [
            .init("run", .string(run)), .init("seq", .integer(search.sequence)),
            .init("oldest", .integer(store.oldest)), .init("exchanges", .array(window.list(of: found).map(summary))),
            .init("more", .bool(window.hasMore(than: found))),
            .init("kept", .integer(store.count)), .init("counted", .count(proxy.recordings.counts.ended)),
            .init("record", .string(recordMode)),
        ]
        if filter.body != nil {
            let searched = search.searched
            members += [
                .init("searched", .integer(searched.searched)), .init("cut", .integer(searched.cut)),
                .init("unreadable", .integer(searched.unreadable)),
            ]
        }
        let text = JSONValue.object(members).serialized() + "\n"
        responder.send(LocalResponse(200, contentType: "application/json", text, fields: InspectorResponse.fields))
    }

    func exchange(_ id: String, _ responder: LocalResponder) {
        guard let exchange = find(id, responder) else { return }
        responder.send(InspectorResponse.json(200, detail(of: exchange)))
    }

    /// The exchange, up to date. Sends a problem and returns nil if there is none.
    func find(_ text: String, _ responder: LocalResponder) -> StoredExchange? {
        guard let id = ExchangeID(text) else {
            responder.send(InspectorResponse.problem(.noSuchExchange))
            return nil
        }
        collect()
        if let exchange = intake.exchange(id) { return exchange }
        let wasThere = proxy.recordings.hasGiven(id)
        responder.send(InspectorResponse.problem(wasThere ? .evicted(keep: store.keep) : .noSuchExchange))
        return nil
    }

    /// The request's body, or the response's body in that attempt.
    func body(_ id: String, attempt: Int?, _ responder: LocalResponder) {
        guard let exchange = find(id, responder) else { return }
        guard let number = attempt else { return send(exchange.request.body, "\(exchange.id)-request.bin", responder) }
        guard let attempt = exchange.attempts.first(where: { $0.number == number }) else {
            return responder.send(InspectorResponse.problem(.noSuchAttempt))
        }
        send(attempt.body, "\(exchange.id)-\(number).bin", responder)
    }

    private func send(_ body: StoredBody, _ name: String, _ responder: LocalResponder) {
        let fields =
            [
                (name: "Content-Type", value: "application/octet-stream"),
                (name: "Content-Disposition", value: "attachment; filename=\"\(name)\""),
                (name: "X-Squire-Kept", value: "\(body.kept.count)/\(body.size)"),
            ] + InspectorResponse.fields
        responder.send(LocalResponse(200, fields: fields, body: .bytes(body.kept)))
    }

    /// Serves HTML for viewing, in a frame or a tab: it runs no scripts and loads nothing.
    func preview(_ id: String, attempt number: Int, _ responder: LocalResponder) {
        guard let exchange = find(id, responder) else { return }
        guard let attempt = exchange.attempts.first(where: { $0.number == number }) else {
            return responder.send(InspectorResponse.problem(.noSuchAttempt))
        }
        guard attempt.body.mediaType == "text/html", attempt.body.unreadable == nil else {
            return responder.send(InspectorResponse.problem(.noPreview))
        }
        let fields =
            [
                (name: "Content-Type", value: "text/html; charset=\(Self.charset(of: attempt.body.type ?? ""))"),
                (name: "X-Squire-Kept", value: "\(attempt.body.kept.count)/\(attempt.body.size)"),
            ]
            + InspectorResponse.fields.map { field in
                switch field.name {
                case "Content-Security-Policy": (field.name, Self.previewPolicy)
                case "X-Frame-Options": (field.name, "SAMEORIGIN")
                default: field
                }
            }
        responder.send(LocalResponse(200, fields: fields, body: .bytes(attempt.body.kept)))
    }

    private static let previewPolicy =
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"

    /// The upstream's charset, if it is valid.
    private static func charset(of type: String) -> String {
        let usual = "utf-8"
        guard
            let start = type.lowercased().split(separator: ";").map({ $0.drop { $0 == " " } })
                .first(where: { $0.hasPrefix("charset=") })
        else { return usual }
        let name = start.dropFirst(8).filter { $0 != "\"" && $0 != " " }
        let isName = name.utf8.allSatisfy { $0 &- 0x30 < 10 || $0 &- 0x61 < 26 || $0 == 0x2D || $0 == 0x5F }
        return isName && (1...32).contains(name.utf8.count) ? name : usual
    }

    // MARK: Changing

    func pin(_ id: String, _ request: LocalRequest, _ responder: LocalResponder) {
        guard let isPinned = flag("pinned", request, responder), let exchange = find(id, responder) else { return }
        switch store.pin(exchange.id, isPinned) {
        case .done: responder.send(InspectorResponse.json(200, .object([.init("pinned", .bool(isPinned))])))
        case .full: responder.send(InspectorResponse.problem(.pinsFull))
        case .missing: responder.send(InspectorResponse.problem(.evicted(keep: store.keep)))
        }
        feed.pump()
    }

    func record(_ request: LocalRequest, _ responder: LocalResponder) {
        guard let isPaused = flag("paused", request, responder) else { return }
        proxy.recordings.set(isPaused: isPaused)
        responder.send(InspectorResponse.json(200, .object([.init("record", .string(recordMode))])))
    }

    func clear(_ responder: LocalResponder) {
        intake.collect()
        store.clear()
        feed.cleared()
        responder.send(LocalResponse(204, fields: InspectorResponse.fields))
    }

    /// The only member of the body. Sends a problem and returns nil if the body has another form.
    private func flag(_ name: String, _ request: LocalRequest, _ responder: LocalResponder) -> Bool? {
        guard let value = JSONValue(parsing: request.body.isEmpty ? Array("{}".utf8) : request.body),
            case .object(let members) = value
        else {
            responder.send(InspectorResponse.problem(.noObject))
            return nil
        }
        if let other = members.first(where: { $0.name != name }) {
            responder.send(InvalidMember(field: other.name, problem: "is not known here").response)
            return nil
        }
        guard let flag = value[name]?.bool else {
            responder.send(InvalidMember(field: name, problem: "must be true or false").response)
            return nil
        }
        return flag
    }

    /// `paused`, or the configured mode.
    var recordMode: String {
        let recordings = proxy.recordings
        return recordings.isPaused && recordings.mode != .off ? "paused" : recordings.mode.rawValue
    }
}

/// The requested part of the list. Pure.
struct ListWindow {
    private var after: Int?
    private var before: Int?
    private let limit: Int

    /// Nil if the query is not valid.
    init?(_ query: QueryItems, run: String, limits: ClosedRange<Int>, usual: Int) {
        guard query["after"] == nil || query["before"] == nil else { return nil }
        limit = query["limit"].map { Int($0) ?? 0 } ?? usual
        guard limits.contains(limit) else { return nil }
        do {
            after = try query["after"].map { try Self.sequence($0, run, ofOthers: 0) }
            before = try query["before"].map { try Self.sequence($0, run, ofOthers: .max) }
        } catch {
            return nil
        }
    }

    private static func sequence(_ text: String, _ run: String, ofOthers: Int) throws(Malformed) -> Int {
        guard let position = FeedPosition(text) else { throw Malformed() }
        return position.run.map { $0 == run } ?? true ? position.sequence : ofOthers
    }

    private struct Malformed: Error {}

    /// The exchanges found so far: one more than requested shows that there are more.
    final class Found {
        fileprivate var exchanges: [StoredExchange] = []

        func take(_ exchange: StoredExchange, _ window: ListWindow, _ filter: ExchangeFilter) -> Bool {
            if exchanges.count <= window.limit { exchanges.append(exchange) }
            // Continues, because the response also reports how much was searched.
            return filter.looksInside || exchanges.count <= window.limit
        }
    }

    func search(_ store: ExchangeStore, _ filter: ExchangeFilter) -> StoreSearch {
        StoreSearch(store, filter, after: after, before: before)
    }

    /// In the order of the changes: the oldest after a position, or else the newest.
    func list(of found: Found) -> [StoredExchange] {
        let list = Array(found.exchanges.prefix(limit))
        return after == nil ? list.reversed() : list
    }

    /// Whether the list is incomplete.
    func hasMore(than found: Found) -> Bool { found.exchanges.count > limit }
}

extension Problem {
    static let badQuery = Problem(
        .badRequest,
        detail: "The query is not valid: limit is 1 to 1000; after or before, not both, is a number or RUN-NUMBER; "
            + "status is 404, 4xx, >=500 and the like, with commas between; body and header have at most "
            + "\(ExchangeFilter.maximumText) octets."
    )
    static let noObject = Problem(.badRequest, detail: "The body is not a JSON object.")
    static let noSuchExchange = Problem(.notFound, detail: "This run of Squire has had no such exchange.")
    static let noSuchAttempt = Problem(.notFound, detail: "The exchange has no attempt of that number.")
    fileprivate static let noPreview = Problem(
        .unsupportedMediaType,
        detail: "Only HTML can be looked at like this. Download the body instead."
    )
    fileprivate static let pinsFull = Problem(
        .pinsFull,
        detail: "What is pinned takes its share (5 %) of what is kept (inspector.keep). Unpin something first."
    )

    static func evicted(keep: Int) -> Problem {
        let size = keep.isMultiple(of: 1 << 20) ? "\(keep >> 20) MiB" : "\(keep >> 10) KiB"
        return Problem(
            .evicted,
            detail: "It is no longer kept, or was not recorded: \(size) are kept (inspector.keep)."
        )
    }
}
