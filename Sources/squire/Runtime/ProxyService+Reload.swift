import Credentials
import EventIO
import Inspector
import Logging
import Platform
import ReverseProxy
import Settings
import Threads

/// Applies a configuration that was read while the proxy runs. All of this happens on the main loop, except for the
/// reading itself (`ReloadCoordinator`).
extension ProxyService {
    /// Enables reloads by SIGHUP and by the inspector. `read` blocks.
    func acceptReloads(
        on loop: EventLoop,
        read: @escaping @Sendable (StopSignal) throws(ConfigurationError) -> LoadedConfiguration
    ) {
        let handler = ReloadCoordinator.Handler(
            refusal: { [unowned self] configuration in
                guard let configuration, !isStarted(with: configuration) else { return nil }
                return .otherConfiguration
            },
            accepted: { [unowned self] in report?.reloadBegan(at: $0) },
            read: { stop in Result { () throws(ConfigurationError) in try read(stop) } },
            apply: { [unowned self] in apply($0) },
            answered: { [unowned self] in report?.reloadEnded() }
        )
        reloads.open(on: loop, handler)
    }

    private func isStarted(with configuration: String) -> Bool {
        guard let own = loaded.realPath ?? current.get().configuration else { return false }
        return own == configuration || current.get().configuration == configuration
    }

    /// The reason why a session cannot be changed for another, and the session file that it is about.
    private struct SessionRefusal: Error {
        let file: String
        let reason: String
    }

    /// Applies a configuration that was read, or changes nothing.
    private func apply(_ reading: ReloadCoordinator.Reading) -> ReloadOutcome {
        let outcome: ReloadOutcome
        do {
            outcome = try reconfigure(try reading.get())
        } catch let error as ConfigurationError {
            outcome = .refused(
                error.issues.map {
                    .init(source: $0.source, line: $0.line, detail: ControlCharacters.escaped($0.message))
                }
            )
        } catch let refusal as SessionRefusal {
            outcome = .refused([.init(source: refusal.file, line: nil, detail: refusal.reason)])
        } catch {
            outcome = .refused([.init(source: loaded.path ?? "squire", line: nil, detail: "\(error)")])
        }
        if case .refused = outcome { isReloadRefused = true } else { isReloadRefused = false }
        log(outcome)
        return outcome
    }

    private func log(_ outcome: ReloadOutcome) {
        switch outcome {
        case .reread(let changed, let restart):
            let text = "configuration re-read: \(Self.summary(changed: changed, restart: restart))"
            let level: Logger.Level = restart.isEmpty ? .notice : .warning
            let members: [(String, LogMessage.Value?)] = [("changed", .list(changed)), ("restart", .list(restart))]
            logging.messages.write(LogMessage(level, event: "reload", text, members))
        case .refused(let mistakes):
            let texts = mistakes.map(\.description)
            let text = "the configuration was not changed: \(texts.joined(separator: "\n"))"
            logging.messages.write(LogMessage(.error, event: "reload", text, [("errors", .list(texts))]))
        case .otherConfiguration, .notReloadable, .tooMany, .stopping: break
        }
    }

    /// Such as `headers.Accept and timeouts.idle changed; listen changes with a restart only`.
    static func summary(changed: [String], restart: [String]) -> String {
        let list = { (keys: [String]) in
            let names = keys.map(ControlCharacters.escaped)
            guard let last = names.last, names.count > 1 else { return names.first ?? "" }
            return names.dropLast().joined(separator: ", ") + " and " + last
        }
        var parts = changed.isEmpty ? [] : ["\(list(changed)) changed"]
        if !restart.isEmpty {
            parts.append("\(list(restart)) \(restart.count == 1 ? "changes" : "change") with a restart only")
        }
        return parts.isEmpty ? "nothing changed" : parts.joined(separator: "; ")
    }

    /// Applies everything but the listeners, the number of workers and the inspector's address.
    private func reconfigure(_ fresh: LoadedConfiguration) throws -> ReloadOutcome {
        // Compares with the running configuration, because an earlier reload may have applied its file only in part.
        let keys = fresh.keys(differingFrom: loaded)
        let restart = keys.filter(LoadedConfiguration.fixedKeys.contains)
        let exposures = fresh.exposures + openSockets(fresh.configuration.access)
        var fresh = fresh
        fresh.keepFixed(of: loaded)
        try fresh.requireAccess()
        let session = try isSameSession(fresh, keys) ? session : makeNextSession(fresh)
        // The configuration may be the same, but what it refers to may have changed.
        session.endMistake()
        for warning in exposures {
            logging.logger().warning("\(warning)")
        }
        loaded = fresh
        configurationNumber &+= 1
        let secrecy = current.get().secrecy.followed(by: Secrecy(fresh.configuration), number: configurationNumber)
        current.set(.init(fresh, session, secrecy, isPrivate: isPrivate, keepsSession: keepsSession))
        if let problem = sessionProblem { logging.logger().warning("\(problem)") }
        // First, so that it knows the secrets of what it is to show.
        reconfigureInspector()
        server.reconfigure(makeContext(fresh.configuration, session, number: configurationNumber))
        return .reread(changed: keys.filter { !LoadedConfiguration.fixedKeys.contains($0) }, restart: restart)
    }

    /// One sentence for each Unix socket that was bound for this user alone, is now open to other users, and gives them
    /// the session under the rules of `access`.
    private func openSockets(_ access: AccessConfiguration) -> [String] {
        guard !access.sameUser, access.key == nil else { return [] }
        return sockets.filter(\.admitsOtherUsers).map {
            "\($0.address.url) can be opened by other users, who use your session: set access.key or access.same-user: true"
        }
    }

    /// The keys, with all keys below them, that determine a session.
    private static let sessionKeys = ["session", "headers", "upstream", "tls", "proxy", "timeouts.connect"]

    /// Whether the running session also fits `fresh`, which differs in `keys`. A session knows more than its file, so
    /// that it is not replaced needlessly.
    private func isSameSession(_ fresh: LoadedConfiguration, _ keys: [String]) -> Bool {
        let isTouched = keys.contains { key in
            !LoadedConfiguration.fixedKeys.contains(key)
                && Self.sessionKeys.contains { key == $0 || key.hasPrefix($0 + ".") }
        }
        return !isTouched && loaded.binding == fresh.binding
    }

    /// Opens a new session on the file. A refresh in flight in the former session holds the file's lock, so that
    /// nothing is lost. A token that is bound to the former upstream is not used for another. Throws if the token is
    /// only in memory, or the file cannot be used.
    private func makeNextSession(_ fresh: LoadedConfiguration) throws -> Session {
        let former = session
        if let reason = former.status.unsaved {
            throw SessionRefusal(
                file: loaded.sessionFile,
                reason: "the token in use is not saved yet (\(reason)): make room, and reload when it is saved"
            )
        }
        let next: Session
        do {
            next = try Self.makeSession(
                fresh,
                logging,
                refreshes,
                (generations, numbers),
                sessionChanged,
                sessions,
                keepsSession: true
            )
        } catch let failure as ExitFailure {
            let text = failure.message.hasPrefix("squire: ") ? String(failure.message.dropFirst(8)) : failure.message
            throw SessionRefusal(file: fresh.sessionFile, reason: text)
        }
        keep(former: former)
        // The inspector must not show the former session's token, and the new session has reported none.
        if next.token == nil { generations.end() }
        return next
    }
}

extension LoadedConfiguration {
    /// Copies the settings that `fixedKeys` names from the running configuration, because only a restart changes them.
    /// The place where machines share the session does change if the tokens have another source now.
    fileprivate mutating func keepFixed(of former: LoadedConfiguration) {
        configuration.listen = former.configuration.listen
        configuration.workers = former.configuration.workers
        configuration.inspector.listen = former.configuration.inspector.listen
        inspectorIsDefault = former.inspectorIsDefault
        guard configuration.session.shared != nil || binding.source == former.binding.source else { return }
        var shared = former.configuration.session.shared
        if let present = shared?.takeover {
            // A refresh may take longer now than the former one allowed for.
            let least = SharedConfiguration.leastTakeover(configuration.session.timeout)
            shared?.takeover = configuration.session.shared?.takeover ?? max(present, least)
        }
        configuration.session.shared = shared
        binding.sharedPlace = former.binding.sharedPlace
    }

    /// The file's path without symbolic links; nil without a file, or if it no longer exists.
    var realPath: String? { path.flatMap(RealPath.of) }
}
