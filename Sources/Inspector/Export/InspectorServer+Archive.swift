import LocalServer
import ReverseProxy
import Support

/// Serves exchanges as HTTP Archive: one, or those in a list.
extension InspectorServer {
    /// `id` names one exchange; nil means all that match the query.
    func archive(_ id: String?, _ request: LocalRequest, _ responder: LocalResponder) {
        let query = QueryItems(request.query)
        guard let filter = ExchangeFilter(query) else { return responder.send(InspectorResponse.problem(.badQuery)) }
        let showsAttempts = query["attempts"] == "all"
        guard let view = HARWriter.View(rawValue: query["view"] ?? (showsAttempts ? "upstream" : "client")) else {
            return responder.send(InspectorResponse.problem(.badView))
        }
        if let id {
            guard let exchange = find(id, responder) else { return }
            let ids = exchange.isRequest ? [exchange.id] : []
            return send(ids, named: "squire-\(exchange.id)", view, showsAttempts, responder)
        }
        collect()
        let found = Finished()
        search(StoreSearch(store, filter), for: responder) {
            found.take($0)
            return true
        } done: { [unowned self] _ in
            send(found.ids, named: "squire", view, showsAttempts, responder)
        }
    }

    private func send(
        _ ids: [ExchangeID],
        named name: String,
        _ view: HARWriter.View,
        _ showsAttempts: Bool,
        _ responder: LocalResponder
    ) {
        let stream = HARStream(
            writer: HARWriter(
                version: version,
                client: proxy.listen.first { $0.hasPrefix("http") } ?? "http://localhost",
                upstream: proxy.current().upstream,
                view: view,
                showsAttempts: showsAttempts,
                bodyLimit: proxy.recordings.bodyLimit
            ),
            ids: ids,
            find: { [unowned self] in store[$0] },
            responder: responder
        )
        responder.begin(
            200,
            fields: [
                ("Content-Type", "application/json"), ("Content-Disposition", "attachment; filename=\"\(name).har\""),
            ] + InspectorResponse.fields
        )
        stream.pump()
    }

    /// The finished exchanges, ordered by their start.
    private final class Finished {
        private var found: [(id: ExchangeID, at: Int64)] = []

        func take(_ exchange: StoredExchange) {
            if exchange.isRequest { found.append((exchange.id, exchange.wallMilliseconds)) }
        }

        var ids: [ExchangeID] { found.sorted { ($0.at, $0.id.number) < ($1.at, $1.id.number) }.map(\.id) }
    }
}

extension Problem {
    fileprivate static let badView = Problem(.badRequest, detail: "The query is not valid: view is client or upstream.")
}

/// Writes an archive as fast as its reader consumes it, one exchange at a time. Exchanges that are evicted meanwhile
/// are left out.
///
/// *Ownership*: held by the responder, which calls it when there is room again. *Threading*: belongs to the inspector's
/// loop.
final class HARStream {
    private let writer: HARWriter
    private let ids: [ExchangeID]
    private let find: (ExchangeID) -> StoredExchange?
    private let responder: LocalResponder?
    private var state = State.beginning
    /// Pieces that the client has not received yet.
    private var pending: [String] = []

    private enum State {
        case beginning
        /// The page of that exchange is next.
        case pages(Int, isFirst: Bool)
        case entries(Int, isFirst: Bool)
        case end, done
    }

    init(
        writer: HARWriter,
        ids: [ExchangeID],
        find: @escaping (ExchangeID) -> StoredExchange?,
        responder: LocalResponder?
    ) {
        self.writer = writer
        self.ids = ids
        self.find = find
        self.responder = responder
    }

    /// How many octets are written before other work gets its turn.
    private static let turn = 256 * 1024

    /// Writes until there is no more room, or until the turn is over.
    func pump() {
        guard let responder else { return }
        var written = 0
        while written < Self.turn {
            while let text = pending.first {
                switch responder.write(text) {
                case .taken: written += pending.removeFirst().utf8.count
                case .full: return responder.whenDrained { self.pump() }
                case .gone: return
                }
            }
            guard let next = next() else { return responder.end() }
            pending = next
        }
        responder.whenDrained { self.pump() }
    }

    /// The next pieces; nil at the end.
    func next() -> [String]? {
        switch state {
        case .beginning:
            state = writer.showsAttempts ? .pages(0, isFirst: true) : .entries(0, isFirst: true)
            let first = ids.lazy.compactMap(find).first?.wallMilliseconds
            return [writer.beginning(first: first)] + (writer.showsAttempts ? [] : [HARWriter.middle])
        case .pages(let index, let isFirst):
            guard index < ids.count else {
                state = .entries(0, isFirst: true)
                return [HARWriter.middle]
            }
            guard let exchange = find(ids[index]) else {
                state = .pages(index + 1, isFirst: isFirst)
                return []
            }
            state = .pages(index + 1, isFirst: false)
            return [(isFirst ? "" : ",") + writer.page(of: exchange)]
        case .entries(let index, let isFirst):
            guard index < ids.count else {
                state = .end
                return []
            }
            let entries = find(ids[index]).map(writer.entries) ?? []
            state = .entries(index + 1, isFirst: isFirst && entries.isEmpty)
            return entries.enumerated().map { number, entry in (isFirst && number == 0 ? "" : ",") + entry }
        case .end:
            state = .done
            return [HARWriter.end]
        case .done: return nil
        }
    }
}
