import Credentials
import EventIO
import LocalServer
import Platform
import ReverseProxy
import Support

/// The feed: server-sent events for viewers.
extension InspectorServer {
    func events(_ request: LocalRequest, _ responder: LocalResponder) {
        guard feed.count < Feed.maximumViewers else { return responder.send(InspectorResponse.problem(.feedIsFull)) }
        collect()
        let position = request["Last-Event-ID"] ?? QueryItems(request.query)["after"]
        feed.add(responder, hello: hello(), position: position)
        lookAgain(after: .zero)
    }

    func makeFeed() -> Feed {
        Feed(
            loop: loop,
            Feed.Sources(
                store: store,
                run: run,
                session: { [unowned self] in proxy.current().session.status.json },
                generation: { [unowned self] in generation($0) },
                stats: { [unowned self] in stats() },
                unrecorded: { [unowned self] in
                    let counts = proxy.recordings.counts
                    return counts.rate &+ counts.slab
                },
                changed: { [unowned self] in
                    proxy.recordings.set(viewers: $0)
                    if $0 == 0 { lookTimer.cancel() }
                }
            )
        )
    }

    /// Call on the loop, whichever thread has changed them.
    func sessionChanged(_ generations: [Generation]) {
        if feed.count > 0 { feed.sessionChanged(generations) }
    }

    private func generation(_ generation: Generation) -> JSONValue? {
        book.json(of: generation, proxy.generationCounts()[generation])
    }

    private func hello() -> JSONValue {
        let current = proxy.current()
        return .object([
            .init("run", .string(run)), .init("version", .string(version)), .init("page", .string(PageFile.version)),
            .init("now", .string(UTCTime.rfc3339(milliseconds: WallClock.milliseconds()))),
            .init("seq", .integer(store.sequence)), .init("oldest", .integer(store.oldest)),
            .init("upstream", .string(current.upstream)), .init("listen", .array(proxy.listen.map(JSONValue.string))),
            .init("record", .string(recordMode)),
        ])
    }

    private func stats() -> (members: [JSONValue.Member], ended: UInt64) {
        let counts = proxy.recordings.counts
        let snapshot = proxy.snapshot()
        let members: [JSONValue.Member] = [
            .init("kept", .integer(store.count)), .init("counted", .count(counts.ended)),
            .init("refused", .count(snapshot.refused.values.reduce(0, &+))),
            .init("running", .integer(intake.assembler.count)), .init("clients", .count(snapshot.clientConnections)),
            .init("upstreams", .count(snapshot.upstreamConnections)), .init("bytes", .integer(store.octets)),
            .init("record", .string(recordMode)),
        ]
        return (members, counts.ended)
    }
}

extension Problem {
    fileprivate static let feedIsFull = Problem(
        .overloaded,
        detail: "\(Feed.maximumViewers) streams of events are open: ask /api/exchanges?after= instead.",
        retryAfter: 2
    )
}
