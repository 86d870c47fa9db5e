import Platform
import Support
import Testing

@testable import TokenSources

@Suite
struct DevicePollingTests {
    static let second: Int64 = 1_000_000_000

    @Test(arguments: [
        (nil, 5), (7, 7), (0, 1), (-3, 5), (1, 1), (Int.max, 300), (Int.min, 5),
    ])
    func intervalIsTheServersWhereItCanBeMeant(_ said: Int?, _ interval: Int) {
        // Nobody could ever be asked in a code's life that is shorter.
        #expect(DevicePolling(interval: said, expiresIn: 60, now: 0).interval <= 7)
        let polling = DevicePolling(interval: said, expiresIn: 600, now: 0)
        #expect(polling.interval == interval)
        #expect(polling.wait(now: 0) == Int64(interval) * Self.second)
    }

    @Test(arguments: [
        (nil, 900), (600, 600), (-1, 900), (0, 1), (Int.max, 86_400), (Int.min, 900),
    ])
    func codeEndsWhenTheServerSays(_ said: Int?, _ life: Int) {
        let polling = DevicePolling(interval: 1, expiresIn: said, now: 5 * Self.second)
        #expect(polling.deadline == Int64(5 + life) * Self.second)
    }

    @Test
    func slowDownAddsForGood() {
        var polling = DevicePolling(interval: 5, expiresIn: 600, now: 0)
        polling.heard(.slowDown)
        #expect(polling.interval == 10)
        polling.heard(.pending)
        #expect(polling.interval == 10)
        polling.heard(.slowDown)
        #expect(polling.interval == 15)
        for _ in 0..<1000 { polling.heard(.slowDown) }
        #expect(polling.interval == 300)
    }

    @Test
    func faultDoubles() {
        var polling = DevicePolling(interval: 5, expiresIn: 600, now: 0)
        polling.heard(.noAnswer(retryAfter: nil))
        #expect(polling.interval == 10)
        polling.heard(.noAnswer(retryAfter: 3))
        #expect(polling.interval == 20)
        polling.heard(.noAnswer(retryAfter: 60))
        #expect(polling.interval == 60)
        polling.heard(.noAnswer(retryAfter: Int.max))
        #expect(polling.interval == 300)
        polling.heard(.noAnswer(retryAfter: Int.min))
        #expect(polling.interval == 300)
    }

    @Test
    func nobodyAsksForACodeThatIsOver() {
        let polling = DevicePolling(interval: 5, expiresIn: 12, now: 0)
        #expect(polling.wait(now: 0) != nil)
        #expect(polling.wait(now: 6 * Self.second) != nil)
        #expect(polling.wait(now: 7 * Self.second) == nil)
        #expect(polling.wait(now: .max) == nil)
    }

    @Test
    func clockAtItsEndDoesNotTrap() {
        let polling = DevicePolling(interval: 300, expiresIn: .max, now: .max)
        #expect(polling.deadline == .max)
        #expect(polling.wait(now: .max) == nil)
    }
}

@Suite
struct DeviceLoginTests {
    /// A clock that goes on only while somebody waits.
    final class Clock {
        var now: Int64 = 0
        var waits: [Int64] = []

        func pause(_ nanoseconds: Int64) {
            waits.append(nanoseconds / DevicePollingTests.second)
            now += nanoseconds
        }
    }

    private func run(
        interval: Int? = nil,
        expiresIn: Int? = 600,
        _ answers: [DeviceLogin.Answer]
    ) -> (ending: DeviceLogin.Ending, waits: [Int64], asked: Int) {
        let clock = Clock()
        var asked = 0
        var login = DeviceLogin(DevicePolling(interval: interval, expiresIn: expiresIn, now: 0))
        let ending = login.run(now: { clock.now }, pause: clock.pause) {
            defer { asked += 1 }
            return asked < answers.count ? answers[asked] : .poll(.pending)
        }
        return (ending, clock.waits, asked)
    }

    @Test
    func asksAtTheIntervalItWasTold() {
        let result = run([
            .poll(.pending), .poll(.slowDown), .poll(.pending), .poll(.noAnswer(retryAfter: nil)), .ended(.loggedIn),
        ])
        #expect(result.waits == [5, 5, 10, 10, 20])
        guard case .loggedIn = result.ending else {
            Issue.record("\(result.ending)")
            return
        }
    }

    @Test
    func givesUpWhenTheCodeIsOver() {
        let result = run(interval: 5, expiresIn: 21, [])
        #expect(result.asked == 4)
        guard case .expired = result.ending else {
            Issue.record("\(result.ending)")
            return
        }
    }

    @Test
    func aFaultIsNoEnd() {
        let result = run(interval: 1, expiresIn: 60, Array(repeating: .poll(.noAnswer(retryAfter: nil)), count: 100))
        #expect(result.waits == [1, 2, 4, 8, 16])
        guard case .expired = result.ending else {
            Issue.record("\(result.ending)")
            return
        }
    }

    @Test(arguments: ["authorization_pending", "slow_down", "access_denied", "authorization_declined", "expired_token"])
    func wordsOfTheDeviceFlow(_ word: String) {
        #expect(DeviceLogin.Answer(errorWord: word) != nil)
    }

    @Test(arguments: ["invalid_grant", "invalid_client", "server_error", "", "SLOW_DOWN"])
    func otherWordsMeanWhatTheyMeanElsewhere(_ word: String) {
        #expect(DeviceLogin.Answer(errorWord: word) == nil)
    }
}

@Suite
struct DeviceAuthorizationTests {
    private func parse(_ text: String) -> DeviceAuthorization? {
        JSONValue(lenient: Array(text.utf8)).flatMap(DeviceAuthorization.init)
    }

    private let names = #""device_code":"d","user_code":"ABCD-EFGH","verification_uri":"https://a.example/device""#

    @Test
    func readsWhatTheRFCHas() {
        let rest = #""verification_uri_complete":"https://a.example/d?c","expires_in":900,"interval":7"#
        let answer = parse("{\(names),\(rest)}")
        #expect(answer?.deviceCode == "d")
        #expect(answer?.userCode == "ABCD-EFGH")
        #expect(answer?.verificationURI == "https://a.example/device")
        #expect(answer?.completeURI == "https://a.example/d?c")
        #expect(answer?.expiresIn == 900)
        #expect(answer?.interval == 7)
        #expect(answer?.redemption == [.init("device_code", "d")])
        #expect("\(answer!)" == "(device authorization)")
    }

    @Test
    func googlesSpelling() {
        let text = #"{"device_code":"d","user_code":"u","verification_url":"https://www.google.com/device"}"#
        #expect(parse(text)?.verificationURI == "https://www.google.com/device")
        #expect(parse(text)?.interval == nil)
    }

    @Test(arguments: [
        ("5", 5), ("\"5\"", 5), ("5.2", 6), ("0", 0), ("-7", -1), ("1e30", 1_000_000_000), ("null", nil),
        ("\"soon\"", nil), ("[]", nil), ("\"\"", nil),
    ])
    func numbersAreHostile(_ text: String, _ seconds: Int?) {
        #expect(parse("{\(names),\"interval\":\(text)}")?.interval == seconds)
        #expect(parse("{\(names),\"expires_in\":\(text)}")?.expiresIn == seconds)
    }

    @Test(arguments: [
        "{}", "[]", #"{"device_code":"d","user_code":"u"}"#,
        #"{"device_code":"","user_code":"u","verification_uri":"x"}"#,
        #"{"device_code":"d\u0000","user_code":"u","verification_uri":"x"}"#,
        #"{"device_code":1,"user_code":"u","verification_uri":"x"}"#,
    ])
    func whatNobodyCanLogInWithIsNone(_ text: String) {
        #expect(parse(text) == nil)
    }
}
