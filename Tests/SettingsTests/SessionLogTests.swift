import Credentials
import EventIO
import Foundation
import Logging
import ReverseProxy
import Testing

@testable import Settings

/// What is said of the session: subject, verb, what to do next; and the same for programs.
@Suite struct SessionLogTests {
    private func report(_ outcome: RefreshEntry.Outcome, waiters: Int, isNamed: Bool = true) -> RefreshReport {
        RefreshReport(
            .rejected,
            outcome,
            isNamed ? ExchangeID(prefix: 0xD022, number: 1).trigger : nil,
            waiters: waiters,
            milliseconds: 299
        )
    }

    @Test func aRefreshNamesWhoLedAndHowManyWaited() {
        let message = SessionLog.refreshed(report(.refreshed, waiters: 12), 2, 3600)
        #expect(
            message.text == "token refreshed because of [d022-1] (rejected) in 299 ms, 11 more waited: "
                + "token 2, good for 60 min"
        )
        #expect(
            json(message)
                == #""event":"refresh","cause":"rejected","outcome":"refreshed","trigger":"d022-1","waiters":12,"#
                + #""ms":299,"generation":2,"expires_in":3600}"#
        )
    }

    @Test func whoeverIsAloneOrHasNoNameIsNotNamed() {
        #expect(
            SessionLog.refreshed(report(.refreshed, waiters: 1), 2, nil).text
                == "token refreshed because of [d022-1] (rejected) in 299 ms: token 2"
        )
        let message = SessionLog.refreshed(report(.refreshed, waiters: 0, isNamed: false), 2, nil)
        #expect(message.text == "token refreshed (rejected) in 299 ms: token 2")
        #expect(!json(message).contains("trigger") && !json(message).contains("expires_in"))
    }

    @Test func aFailureSaysWhatToDo() {
        let refused = SessionLog.refreshFailed(report(.refused, waiters: 3), "The API refused.", .loginNeeded("why"))
        #expect(refused.level == .error)
        #expect(
            refused.text.hasPrefix(
                "token not refreshed for [d022-1] (rejected) in 299 ms, 2 more waited: The API refused. Run: squire login"
            )
        )
        let failed = SessionLog.refreshFailed(
            report(.unavailable, waiters: 1),
            "status 500",
            .unavailable(retryAfter: 20, isUnreachable: false)
        )
        #expect(failed.level == .warning)
        #expect(
            failed.text
                == "token not refreshed for [d022-1] (rejected) in 299 ms: status 500; next try in 20 s"
        )
        #expect(
            json(failed)
                == #""event":"refresh","cause":"rejected","outcome":"unavailable","trigger":"d022-1","waiters":1,"#
                + #""ms":299,"reason":"status 500","retry_in":20}"#
        )
    }

    @Test(arguments: [UInt64.max, 0, 0xD022]) func anyTriggerIsAName(_ number: UInt64) {
        let id = ExchangeID(RefreshTrigger(high: number, low: number))
        #expect("\(id)" == "\(String(number & 0xFFFF, radix: 16).leftPadded)-\(number)")
    }

    private func json(_ message: LogMessage) -> String {
        let line = ByteBuffer(capacity: 16)
        LogStyle(format: .json, isColoured: false).write(message, to: line)
        let text = String(decoding: line.readable, as: UTF8.self)
        return text.range(of: #""event""#).map { String(text[$0.lowerBound...]) } ?? text
    }
}

extension String {
    fileprivate var leftPadded: String { String(repeating: "0", count: max(0, 4 - count)) + self }
}
