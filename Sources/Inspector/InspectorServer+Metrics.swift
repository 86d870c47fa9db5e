import Credentials
import ReverseProxy

extension InspectorServer {
    /// All counters and gauges. `startedAt` is seconds since 1970.
    static func metrics(
        _ counts: Counters.Snapshot,
        _ refreshes: RefreshCounts,
        _ session: SessionStatus,
        build: BuildInfo,
        startedAt: Int
    ) -> String {
        var text = Exposition()
        text.family("squire_build_info", "gauge", "Which Squire this is: the value is 1.")
        text.sample("squire_build_info", build.labels, "1")
        text.family("process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.")
        text.sample("process_start_time_seconds", [:], "\(startedAt)")
        text.family("squire_requests_total", "counter", "Exchanges by the status the client got.")
        for (status, count) in counts.requests.sorted(by: { $0.key < $1.key }) {
            text.sample("squire_requests_total", ["status": status == 0 ? "none" : "\(status)"], "\(count)")
        }
        text.family(
            "squire_request_duration_seconds",
            "histogram",
            "Time from a request's head to the end of its response."
        )
        var sum: UInt64 = 0
        for (index, count) in counts.durationBuckets.enumerated() {
            sum += count
            let bound = index < Counters.bounds.count ? "\(Counters.bounds[index])" : "+Inf"
            text.sample("squire_request_duration_seconds_bucket", ["le": bound], "\(sum)")
        }
        text.sample("squire_request_duration_seconds_sum", [:], "\(Double(counts.durationNanoseconds) / 1e9)")
        text.sample("squire_request_duration_seconds_count", [:], "\(sum)")
        text.family("squire_refreshes_total", "counter", "Refreshes by cause and outcome.")
        for (key, count) in refreshes.snapshot() {
            text.sample("squire_refreshes_total", ["cause": key.cause, "outcome": key.outcome], "\(count)")
        }
        text.family("squire_retries_total", "counter", "Requests sent again with a new token, by outcome.")
        text.sample("squire_retries_total", ["outcome": "accepted"], "\(counts.replaysAccepted)")
        text.sample("squire_retries_total", ["outcome": "rejected"], "\(counts.replaysRejected)")
        sessionMetrics(session, &text)
        text.family("squire_resends_total", "counter", "Requests sent again after a connection turned out to be dead.")
        text.sample("squire_resends_total", [:], "\(counts.resends)")
        text.family("squire_client_connections", "gauge", "Open client connections.")
        text.sample("squire_client_connections", [:], "\(counts.clientConnections)")
        text.family("squire_upstream_connections", "gauge", "Open upstream connections.")
        text.sample("squire_upstream_connections", [:], "\(counts.upstreamConnections)")
        text.family("squire_refused_total", "counter", "Answers of Squire's own, by code.")
        for (code, count) in counts.refused.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            text.sample("squire_refused_total", ["reason": code.rawValue], "\(count)")
        }
        return text.text
    }

    /// Metrics of the recordings and viewers.
    static func metrics(_ counts: Recordings.Counts, evicted: UInt64, viewers: Int) -> String {
        var text = Exposition()
        text.family("squire_recorded_total", "counter", "Exchanges that the inspector recorded.")
        text.sample("squire_recorded_total", [:], "\(counts.recorded)")
        text.family(
            "squire_not_recorded_total",
            "counter",
            "Exchanges that it did not record, by reason (off: also those without failure where only failures are)."
        )
        for (reason, count) in [
            ("off", counts.off), ("paused", counts.paused), ("rate", counts.rate), ("slab", counts.slab),
        ] {
            text.sample("squire_not_recorded_total", ["reason": reason], "\(count)")
        }
        text.family("squire_evicted_total", "counter", "Recorded exchanges that are no longer kept.")
        text.sample("squire_evicted_total", [:], "\(evicted)")
        text.family("squire_inspector_viewers", "gauge", "Open streams of events.")
        text.sample("squire_inspector_viewers", [:], "\(viewers)")
        return text.text
    }

    private static func sessionMetrics(_ session: SessionStatus, _ text: inout Exposition) {
        text.family("squire_refresh_failures_total", "counter", "Refreshes of this session that failed, by class.")
        for outcome in RefreshEntry.Outcome.allCases where outcome != .refreshed {
            let count = session.failures.first { $0.outcome == outcome.rawValue }?.count ?? 0
            text.sample("squire_refresh_failures_total", ["class": outcome.rawValue], "\(count)")
        }
        text.family(
            "squire_refresh_waiters_total",
            "counter",
            "Requests that waited for a refresh another one started."
        )
        text.sample("squire_refresh_waiters_total", [:], "\(session.coalesced)")
        text.family("squire_session_ready", "gauge", "1 with a usable session that is saved.")
        text.sample("squire_session_ready", [:], session.isReady ? "1" : "0")
        text.family("squire_session_generation", "gauge", "Counts the tokens this process has had.")
        text.sample("squire_session_generation", [:], "\(session.generation)")
        text.family("squire_token_age_seconds", "gauge", "Seconds since the token became ours.")
        if let age = session.age { text.sample("squire_token_age_seconds", [:], "\(age)") }
        text.family("squire_token_expires_seconds", "gauge", "Seconds until the token expires.")
        if let seconds = session.expiresIn { text.sample("squire_token_expires_seconds", [:], "\(seconds)") }
        if let shared = session.shared { sharedMetrics(shared, &text) }
    }

    private static func sharedMetrics(_ shared: SharedStatus, _ text: inout Exposition) {
        text.family("squire_shared_reachable", "gauge", "1 while the engine of the shared session answers.")
        text.sample("squire_shared_reachable", [:], shared.isReachable == true ? "1" : "0")
        text.family("squire_shared_writable", "gauge", "1 unless the engine can be read and refuses what is written.")
        text.sample("squire_shared_writable", [:], shared.isWritable == false ? "0" : "1")
        text.family("squire_shared_not_shared", "gauge", "1 while other machines do not know a token or a logout.")
        for what in SharedStatus.Unshared.What.allCases {
            let isUnshared = shared.unshared?.what == what
            text.sample("squire_shared_not_shared", ["what": what.rawValue], isUnshared ? "1" : "0")
        }
        text.family("squire_shared_claims_total", "counter", "Claims to refresh the shared token, by outcome.")
        let claims = shared.counts.claims
        for (outcome, count) in [
            ("written", claims.written), ("conflict", claims.conflict), ("unclear", claims.unclear),
            ("failed", claims.failed),
        ] {
            text.sample("squire_shared_claims_total", ["outcome": outcome], "\(count)")
        }
        text.family(
            "squire_shared_takeovers_total",
            "counter",
            "Refreshes that another machine had begun and was silent about."
        )
        text.sample("squire_shared_takeovers_total", [:], "\(shared.counts.takeovers)")
        text.family(
            "squire_shared_adoption_seconds",
            "summary",
            "Time from hearing of another machine's token to its use here."
        )
        let seconds = Double(shared.counts.adoptionNanoseconds) / 1e9
        text.sample("squire_shared_adoption_seconds_sum", [:], "\(seconds)")
        text.sample("squire_shared_adoption_seconds_count", [:], "\(shared.counts.adoptions)")
    }
}

/// Prometheus' text format (exposition format 0.0.4).
private struct Exposition {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [String: String], _ value: String) {
        let inside = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
        text += name + (inside.isEmpty ? "" : "{\(inside)}") + " \(value)\n"
    }
}
