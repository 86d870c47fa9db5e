import Testing

@testable import ReverseProxy

@Suite struct CountersTests {
    @Test(arguments: Problem.Code.allCases) func everyCodeIsCountedUnderItsName(_ code: Problem.Code) {
        let counters = Counters()
        counters.refused(code)
        counters.refused(code)
        #expect(counters.snapshot().refused == [code: 2])
    }

    @Test func durationsFallIntoTheBucketOfTheirBound() {
        let counters = Counters()
        for nanoseconds: UInt64 in [0, 1_000_000, 1_000_001, 61_000_000_000, .max] {
            counters.finished(status: 200, nanoseconds: nanoseconds)
        }
        let buckets = counters.snapshot().durationBuckets
        #expect(buckets.count == Counters.bounds.count + 1)
        #expect(buckets.first == 2 && buckets[1] == 1 && buckets.last == 2)
    }

    @Test(arguments: [Int.min, -1, 0, 99, 200, 599, 600, .max]) func noStatusIsOutOfRange(_ status: Int) {
        let counters = Counters()
        counters.finished(status: status, nanoseconds: 1)
        #expect(counters.snapshot().requests == [max(0, min(status, 599)): 1])
    }

    @Test func workersAddUp() {
        let first = Counters()
        let second = Counters()
        first.finished(status: 200, nanoseconds: 1)
        first.refused(.wrongKey)
        first.set(.clients, 3)
        first.add(.replaysAccepted)
        second.finished(status: 200, nanoseconds: 2)
        second.refused(.wrongKey)
        second.refused(.overloaded)
        second.set(.clients, 4)
        var sum = first.snapshot()
        sum.add(second.snapshot())
        #expect(sum.requests == [200: 2] && sum.refused == [.wrongKey: 2, .overloaded: 1])
        #expect(sum.clientConnections == 7 && sum.replaysAccepted == 1 && sum.durationNanoseconds == 3)
    }
}
