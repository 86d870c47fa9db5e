import ReverseProxy
import Testing

@testable import Inspector

@Suite struct ExchangeFilterTests {
    private static func matches(_ query: String, _ exchange: StoredExchange) -> Bool? {
        var searched = ExchangeFilter.Searched()
        return ExchangeFilter(QueryItems(query))?.matches(exchange, &searched)
    }

    @Test(
        arguments: [
            ("", true), ("status=404", true), ("status=4xx", true), ("status=%3E%3D400", true), ("status=>404", false),
            ("status=<404", false), ("status=<=404", true), ("status=500,404", true), ("status=2xx,5xx", false),
            ("method=get", true), ("method=POST,Get", true), ("method=POST", false), ("ids=00a7-1", true),
            ("ids=00a7-2,00a7-1", true), ("ids=00a7-2", false), ("ids=", false), ("ids=nonsense", false),
            ("header=X-A", true), ("header=x-a=bC", true), ("header=x-a=z", false), ("header=host", true),
            ("header=x-b", false), ("body=OUT+of%20st", true), ("body=%C3%89T%C3%89", true), ("body=none", false),
            ("other=1&status=404", true), ("status=404&method=put", false),
        ]
    )
    func whatAQueryAsksFor(_ query: String, _ expected: Bool) throws {
        var recorded = RecordedExchange()
        recorded.request("GET /x", "X-A: abcd\r\n")
        recorded.attempt()
        recorded.answer("404 Not Found", body: "It is out of stock cet été.")
        recorded.end(404, responseBytes: 28)
        #expect(try Self.matches(query, #require(recorded.stored())) == expected)
    }

    @Test(arguments: [
        "status=", "status=40", "status=4x", "status=6xx", "status=abc", "status=404,", "status=>=", "status=4%00x",
        "status=+404",
    ])
    func aStatusThatIsNone(_ query: String) {
        #expect(ExchangeFilter(QueryItems(query)) == nil)
    }

    @Test func whatWasLookedThroughIsCounted() throws {
        var recorded = RecordedExchange()
        recorded.request("POST /x", body: "a needle in a haystack, of which more came")
        recorded.attempt()
        recorded.answer("200 OK", "Content-Encoding: br\r\n", body: "????")
        recorded.end(requestBytes: 600_000, responseBytes: 4)
        var searched = ExchangeFilter.Searched()
        let filter = try #require(ExchangeFilter(QueryItems("body=NEEDLE")))
        #expect(try filter.matches(#require(recorded.stored()), &searched))
        #expect(searched == ExchangeFilter.Searched(searched: 1, cut: 1, unreadable: 1))
    }

    @Test(
        arguments: [
            ("00a7-12", true), ("00A7-12", false), ("a7-12", false), ("00a7-012", false), ("00a7-+1", false),
            ("00a7-", false), ("-12", false), ("00a7", false), ("00a7-18446744073709551616", false),
            ("00a7-1-2", false),
        ]
    )
    func identifiersHaveOneSpelling(_ text: String, _ isValid: Bool) {
        #expect((ExchangeID(text) != nil) == isValid)
    }

    @Test(
        arguments: [
            ("ab1-12", "ab1", 12), ("12", nil, 12), ("", nil, nil), ("-12", nil, nil), ("AB-1", nil, nil),
            ("a-b-1", nil, nil), ("a-", nil, nil), ("a-+1", nil, nil), ("99999999999999999999", nil, nil),
        ] as [(String, String?, Int?)]
    )
    func positions(_ text: String, _ run: String?, _ sequence: Int?) {
        let position = FeedPosition(text)
        #expect(position?.run == run && position?.sequence == sequence)
    }

    private static func numbers(_ query: String, _ store: ExchangeStore) -> ([UInt64], more: Bool)? {
        let query = QueryItems(query)
        guard let window = ListWindow(query, run: "abc", limits: 1...1000, usual: 3),
            let filter = ExchangeFilter(query)
        else { return nil }
        let found = ListWindow.Found()
        var search = window.search(store, filter)
        while search.step(store, { found.take($0, window, filter) }) {}
        return (window.list(of: found).map(\.id.number), window.hasMore(than: found))
    }

    @Test(
        arguments: [
            ("", [8, 9, 10], true), ("limit=1000", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false),
            ("after=0&limit=2", [1, 2], true),
            ("after=8", [9, 10], false), ("after=abc-8", [9, 10], false), ("after=xyz-8&limit=1", [1], true),
            ("before=4", [1, 2, 3], false), ("before=5", [2, 3, 4], true), ("after=10", [], false),
            ("status=5xx", [], false),
        ] as [(String, [UInt64], Bool)]
    )
    func partsOfTheList(_ query: String, _ expected: [UInt64], _ more: Bool) throws {
        let store = ExchangeStore()
        for number in 1...10 as ClosedRange<UInt64> { store.put(RecordedExchange.plain(number)) }
        let found = try #require(Self.numbers(query, store))
        #expect(found.0 == expected && found.more == more)
    }

    /// Much is looked through in portions; what changes between them is not seen twice.
    @Test(arguments: [nil, 0]) func othersHaveTheirTurn(_ after: Int?) throws {
        let store = ExchangeStore(keep: 16 << 20)
        store.put(1...100 as ClosedRange<UInt64>, size: 50_000)
        let filter = try #require(ExchangeFilter(QueryItems("body=xxx")))
        var search = StoreSearch(store, filter, after: after)
        var (seen, steps) = ([UInt64](), 1)
        let see = { (exchange: StoredExchange) in
            seen.append(exchange.id.number)
            return true
        }
        while search.step(store, see) {
            steps += 1
            store.put([UInt64(steps * 25)], size: 50_000)
        }
        #expect(steps >= 5 && Set(seen).count == seen.count && seen.count > 90 && search.sequence == 100)
        #expect(search.searched.searched == seen.count)
    }

    @Test(arguments: [
        "limit=0", "limit=1001", "limit=x", "limit=", "after=1&before=2", "after=x y", "before=-1", "after=",
        "body=" + String(repeating: "x", count: 257), "header=a=" + String(repeating: "x", count: 255),
    ])
    func partsThatAreNone(_ query: String) {
        #expect(Self.numbers(query, ExchangeStore()) == nil)
    }
}
