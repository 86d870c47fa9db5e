import HTTP1
public import Support

/// The response of the device authorization endpoint (RFC 8628 section 3.2). Its texts are untrusted.
public struct DeviceAuthorization: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
    /// A secret until the login is over.
    public let deviceCode: String
    /// The code that the person enters.
    public let userCode: String
    /// The address at which the person enters it.
    public let verificationURI: String
    /// The same, with the code in it.
    public let completeURI: String?
    /// In seconds.
    public let expiresIn: Int?
    /// In seconds.
    public let interval: Int?

    private static let longest = 4096

    /// Nil if a required member is missing, or if the address, which is shown to be opened, is not an HTTP URL.
    public init?(_ answer: JSONValue) {
        let text = { (name: String) -> String? in
            guard case .string(let text) = answer[name], !text.isEmpty, text.utf8.count <= Self.longest else {
                return nil
            }
            return text
        }
        // Google calls it `verification_url`.
        guard let deviceCode = text("device_code"), let userCode = text("user_code"),
            let uri = text("verification_uri") ?? text("verification_url"), Self.isWeb(uri),
            deviceCode.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { return nil }
        self.deviceCode = deviceCode
        self.userCode = userCode
        verificationURI = uri
        completeURI = text("verification_uri_complete").flatMap { Self.isWeb($0) ? $0 : nil }
        expiresIn = Self.seconds(answer["expires_in"])
        interval = Self.seconds(answer["interval"])
    }

    private static func isWeb(_ uri: String) -> Bool {
        let start = uri.prefix(8).lowercased()
        return start == "https://" || start.hasPrefix("http://")
    }

    /// A number, or its digits as text; nil for anything else. Rounded up to whole seconds.
    private static func seconds(_ value: JSONValue?) -> Int? {
        let text: String
        switch value {
        case .number(let number): text = number
        case .string(let string) where !string.isEmpty && string.utf8.allSatisfy(Octet.isDigit): text = string
        case .string, .null, .bool, .array, .object, nil: return nil
        }
        guard let number = Double(text), number.isFinite else { return nil }
        return Int(min(max(number.rounded(.up), -1), 1e9))
    }

    /// The parameters that redeem it, in addition to `grant_type` and those of every token request (RFC 8628 section
    /// 3.4).
    public var redemption: [OAuthConfiguration.Parameter] { [.init("device_code", deviceCode)] }

    public var description: String { "(device authorization)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// One login on another device: polls for the token until the person has decided (RFC 8628 section 3.5).
public struct DeviceLogin {
    /// The result of one poll.
    public enum Answer: Sendable {
        /// The login has ended.
        case ended(Ending)
        case poll(DevicePoll)
    }

    /// How the login ended.
    public enum Ending: Sendable {
        /// The session has the token.
        case loggedIn
        /// The person denied it.
        case denied
        /// Nobody decided in time.
        case expired
    }

    private var polling: DevicePolling

    public init(_ polling: DevicePolling) {
        self.polling = polling
    }

    /// Alternately pauses and polls with `ask`. `now` returns nanoseconds; `pause` blocks for that many. Rethrows the
    /// errors of `ask`.
    public mutating func run(now: () -> Int64, pause: (Int64) -> Void, ask: () throws -> Answer) rethrows -> Ending {
        while let wait = polling.wait(now: now()) {
            pause(wait)
            switch try ask() {
            case .ended(let ending): return ending
            case .poll(let poll): polling.heard(poll)
            }
        }
        return .expired
    }
}

extension DeviceLogin.Answer {
    /// The meaning of an `error` code in the response to a poll (RFC 8628 section 3.5); nil for codes without a special
    /// meaning here.
    public init?(errorWord: String) {
        switch errorWord {
        case "authorization_pending": self = .poll(.pending)
        case "slow_down": self = .poll(.slowDown)
        case "access_denied", "authorization_declined": self = .ended(.denied)
        case "expired_token": self = .ended(.expired)
        default: return nil
        }
    }
}
