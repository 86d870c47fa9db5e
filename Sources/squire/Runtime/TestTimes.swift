import TokenSources

/// Durations that tests shorten, so that they need not sleep. Release builds ignore the variables.
enum TestTimes {
    /// The interval of trials with a token that is believed to be dead.
    static var trialInterval: Duration { milliseconds("SQUIRE_TEST_TRIAL_INTERVAL") ?? .seconds(30) }

    /// How long a command is not run again after it printed the same token.
    static var execInterval: Duration { milliseconds("SQUIRE_TEST_EXEC_INTERVAL") ?? ExecSource.standardInterval }

    /// The interval at which a token file is read even if no change was reported.
    static var tokenFileInterval: Duration {
        milliseconds("SQUIRE_TEST_TOKEN_FILE_INTERVAL") ?? TokenFileWatch.standardInterval
    }

    /// A duration of a login, in which a person's second may be shorter for tests.
    static func ofLogin(_ time: Duration) -> Duration {
        guard let second = milliseconds("SQUIRE_TEST_LOGIN_SECOND") else { return time }
        return second * Double(time.components.seconds)
    }

    /// How long to wait for a token file.
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
