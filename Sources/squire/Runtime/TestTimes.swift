import TokenSources

/// Times that tests shorten, so that nothing has to sleep. A release build does not look at the environment for them.
enum TestTimes {
    /// How often one request tries a token that is thought dead.
    static var trialInterval: Duration { milliseconds("SQUIRE_TEST_TRIAL_INTERVAL") ?? .seconds(30) }

    /// How long a command is not asked again after it gave the same token.
    static var execInterval: Duration { milliseconds("SQUIRE_TEST_EXEC_INTERVAL") ?? ExecSource.standardInterval }

    /// How often a token file is looked at though nobody says that it has changed.
    static var tokenFileInterval: Duration {
        milliseconds("SQUIRE_TEST_TOKEN_FILE_INTERVAL") ?? TokenFileWatch.standardInterval
    }

    /// A time of a login, which has as many seconds as a person waits: in tests a second is shorter.
    static func ofLogin(_ time: Duration) -> Duration {
        guard let second = milliseconds("SQUIRE_TEST_LOGIN_SECOND") else { return time }
        return second * Double(time.components.seconds)
    }

    /// How a token file is waited for.
    static var tokenFile: TokenFileSource.Times {
        var times = TokenFileSource.Times()
        times.patience = milliseconds("SQUIRE_TEST_TOKEN_FILE_PATIENCE") ?? times.patience
        return times
    }

    private static func milliseconds(_ name: String) -> Duration? {
        #if DEBUG
        Environment.all[name].flatMap(Int64.init).map { .milliseconds(min(max($0, 0), 3_600_000)) }
        #else
        nil
        #endif
    }
}
