import HTTP1
import Testing

@testable import ReverseProxy

@Suite struct WaitLimitTests {
    private let intervals: ProxyContext.Intervals = {
        var configuration = ProxyConfiguration(
            upstream: Origin(isSecure: true, authority: Authority(host: "up.example", port: nil))
        )
        configuration.timeouts.idle = .seconds(1)
        configuration.timeouts.firstByte = .seconds(300)
        configuration.timeouts.body = .seconds(60)
        return ProxyContext.Intervals(configuration)
    }()

    private func seconds(_ seconds: UInt64) -> WaitLimit { .nanoseconds(seconds * 1_000_000_000) }

    @Test(
        arguments: [
            (.awaitsContinue, 1), (.sending, 60), (.sent, 300),
        ] as [(UploadProgress, UInt64)]
    )
    func aRequestOnItsWayWaitsByHowFarItIs(_ upload: UploadProgress, _ expected: UInt64) {
        #expect(intervals.waitLimit(in: .sending, upload) == seconds(expected))
    }

    @Test(arguments: [Exchange.State.awaitingCredential, .holding(isReplayable: true), .settling])
    func whoWaitsForTheSessionHasOneLimitForAll(_ state: Exchange.State) {
        #expect(intervals.waitLimit(in: state, .sent) == .session)
    }

    @Test func aVerdictIsNotWaitedForAsLongAsABody() {
        #expect(intervals.waitLimit(in: .collecting(.verdict, isReplayable: true), .sent) == seconds(2))
        #expect(intervals.waitLimit(in: .relaying, .sent) == seconds(60))
        #expect(intervals.waitLimit(in: .tunnelling, .sent) == seconds(1))
        #expect(intervals.waitLimit(in: .finished(.complete), .sent) == WaitLimit.none)
    }
}
