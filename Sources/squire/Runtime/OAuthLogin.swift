import Credentials
import Cryptography
import Platform
import ReverseProxy
import Settings
import Support
import Threads
import TokenSources

/// A person's login at an authorization server, in a browser on this machine or on another device.
struct OAuthLogin {
    let redemption: TokenRedemption
    let oauth: OAuthConfiguration
    let endpoint: TokenEndpoint

    private var line: String { redemption.line }

    /// How long to wait for the browser.
    private static let patience = Duration.seconds(300)

    // MARK: With a browser

    /// Logs in with an authorization code (RFC 6749 section 4.1).
    func withBrowser() throws {
        let login: AuthorizationCodeLogin
        do {
            login = try AuthorizationCodeLogin(try request(), admits: Self.admits)
        } catch let error as SystemError {
            throw ExitFailure.inputOutput("squire: nobody is logged in: the redirect URI: \(error.description)")
        } catch let error as CryptographyError {
            throw ExitFailure.inputOutput("squire: nobody is logged in: \(error)")
        }
        defer { login.stop() }
        invite(login)
        let code = try code(in: answer(to: login), login)
        do {
            let grant = [("grant_type", "authorization_code")]
            let parameters = grant + login.redemption(of: code).map { ($0.name, $0.value) }
            let outcome = try redemption.redeem(.code) { [endpoint] in endpoint.exchange(parameters) }
            guard case .obtained(let tokens, _) = outcome else { throw redemption.failure(outcome, of: .code) }
            login.show(.loggedIn(who: tokens.accessToken.claims?.subject))
        } catch {
            login.show(.failed(reason: "the terminal says why"))
            throw error
        }
    }

    private func request() throws -> AuthorizationCodeLogin.Request {
        let url = try found { () throws(EndpointFailure) in try endpoint.authorizationEndpoint() }
        // Fails early: without a token endpoint the code could not be redeemed.
        _ = try found { () throws(EndpointFailure) in try endpoint.tokenEndpoint() }
        return AuthorizationCodeLogin.Request(
            endpoint: url,
            clientID: oauth.clientID,
            scope: oauth.scope,
            parameters: oauth.authorizationParameters,
            redirect: oauth.redirectURI.map(RedirectAddress.init) ?? .standard,
            issuer: oauth.issuer,
            alwaysSaysIssuer: endpoint.namesIssuer()
        )
    }

    private func found<Value>(_ look: () throws(EndpointFailure) -> Value) throws -> Value {
        do throws(EndpointFailure) {
            return try look()
        } catch {
            throw redemption.failure(error.outcome, of: .code)
        }
    }

    private func invite(_ login: AuthorizationCodeLogin) {
        Interruption.endsWith130()
        let isOpened = Browser().open(login.url)
        Output.error(isOpened ? "A browser opens this address, where you log in:" : "Open this address and log in:")
        Output.error(ControlCharacters.escaped(login.url))
        Output.error(
            RedirectAddress(login.redirectURI).isLoopback
                ? "If that browser is on another machine, paste here the address that it ends at."
                : "Paste here the address that the browser ends at; it begins with \(login.redirectURI)"
        )
    }

    private func answer(to login: AuthorizationCodeLogin) throws -> RedirectAnswer {
        switch login.wait(limit: TestTimes.ofLogin(Self.patience), input: 0, refused: Self.explain) {
        case .answer(let answer): return answer
        case .timedOut:
            throw ExitFailure.tryLater("squire: nobody has logged in within 5 min. To try again: \(line)")
        case .inputClosed:
            throw ExitFailure.malformed(
                "squire: nobody is logged in: the browser is sent to \(login.redirectURI), where Squire does not listen, "
                    + "and standard input, where the address that it ends at was expected, has ended"
            )
        }
    }

    /// Tells the person why a pasted line is not the expected address.
    private static func explain(_ refusal: RedirectRefusal) {
        switch refusal {
        case .state, .issuer: Output.error("That address belongs to another login. Paste the one of this login.")
        case .path, .method, .notNavigation, .malformed:
            Output.error("That is not the address that the browser ends at: it has code=… and state=… in it.")
        }
    }

    /// Admits only this user's processes, because others could answer with a login of their own.
    @Sendable private static func admits(_ descriptor: Int32) -> Bool {
        PeerUsers.shared.peer(of: descriptor, isUnixSocket: false).refusal == nil
    }

    private func code(in answer: RedirectAnswer, _ login: AuthorizationCodeLogin) throws -> String {
        let failure: ExitFailure
        switch answer {
        case .code(let code): return code
        case .nothing:
            failure = .malformed("squire: nobody is logged in: the answer holds neither a code nor an error")
        case .error(let word, let description):
            let said = description.map { "\(word) (\"\($0)\")" } ?? word
            failure = refusal(word, "squire: nobody is logged in: the authorization server says \(said)")
        }
        login.show(.failed(reason: "the authorization server gave no code"))
        throw failure
    }

    /// Maps an error of RFC 6749 section 4.1.2.1.
    private func refusal(_ word: String, _ story: String) -> ExitFailure {
        switch word {
        case "invalid_scope": .configuration("\(story); see session.oauth.scope")
        case "unauthorized_client": .configuration("\(story); see session.oauth.client-id and session.oauth.grant")
        case "invalid_request", "unsupported_response_type":
            .configuration("\(story); see session.oauth.redirect-uri and session.oauth.authorization-parameters")
        case "server_error", "temporarily_unavailable": .tryLater("\(story). Try again later: \(line)")
        default: .loginNeeded("\(story). To try again: \(line)")
        }
    }

    // MARK: On another device

    /// Logs in on another device if the server supports that, else with a browser.
    func onDeviceOrWithBrowser() throws {
        let hasDevice: Bool
        do throws(EndpointFailure) {
            _ = try endpoint.deviceEndpoint()
            hasDevice = true
        } catch {
            hasDevice = false
        }
        if hasDevice { try onDevice() } else { try withBrowser() }
    }

    /// Logs in with a device code (RFC 8628).
    func onDevice() throws {
        var parameters: [(name: String, value: String)] = []
        if let scope = oauth.scope { parameters.append(("scope", scope)) }
        parameters += oauth.authorizationParameters.map { ($0.name, $0.value) }
        _ = try found { () throws(EndpointFailure) in try endpoint.tokenEndpoint() }
        let answer = try found { () throws(EndpointFailure) in try endpoint.deviceCode(parameters) }
        guard let device = DeviceAuthorization(answer) else {
            throw ExitFailure.malformed(
                "squire: nobody is logged in: the device endpoint's answer lacks device_code, user_code or verification_uri"
            )
        }
        invite(device)
        let clock = SystemClock()
        var login = DeviceLogin(
            DevicePolling(
                interval: device.interval,
                expiresIn: device.expiresIn,
                now: clock.elapsed(),
                second: TestTimes.ofLogin(.seconds(1))
            )
        )
        switch try login.run(now: clock.elapsed, pause: { MonotonicClock.pause($0) }, ask: { try ask(device) }) {
        case .loggedIn: break
        case .denied:
            throw ExitFailure.loginNeeded(
                "squire: nobody is logged in: the login was denied (access_denied). To try again: \(line)"
            )
        case .expired:
            throw ExitFailure.tryLater("squire: nobody has logged in while the code was good. To try again: \(line)")
        }
    }

    /// Polls once. If tokens arrive, they are saved when this returns.
    private func ask(_ device: DeviceAuthorization) throws -> DeviceLogin.Answer {
        let grant = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code")]
        let parameters = grant + device.redemption.map { ($0.name, $0.value) }
        SignalHold.begin(waitsElsewhere: false)
        defer { SignalHold.end() }
        let reply = endpoint.ask(parameters)
        let outcome = try redemption.redeem(.deviceCode, given: reply.outcome)
        if case .obtained = outcome { return .ended(.loggedIn) }
        if let answer = reply.error.flatMap(DeviceLogin.Answer.init) { return answer }
        switch outcome {
        case .unavailable(_, let seconds, _, _, _, _): return .poll(.noAnswer(retryAfter: seconds))
        // The person may need minutes, so that a failure in between is not final.
        case .unreachable, .lost: return .poll(.noAnswer(retryAfter: nil))
        case .obtained, .unchanged, .refused, .misconfigured: throw redemption.failure(outcome, of: .deviceCode)
        }
    }

    private func invite(_ device: DeviceAuthorization) {
        Interruption.endsWith130()
        Output.error("Open this address on any device:")
        Output.error(ControlCharacters.escaped(device.verificationURI))
        Output.error("and give it this code:")
        Output.error(ControlCharacters.escaped(device.userCode))
        guard let complete = device.completeURI, complete != device.verificationURI else { return }
        Output.error("or open this one, which has the code in it:")
        Output.error(ControlCharacters.escaped(complete))
    }
}
