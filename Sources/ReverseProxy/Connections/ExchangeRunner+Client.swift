import Upstream

/// What the client does while its exchange lasts: sends, ends, takes, falls behind.
extension ExchangeRunner {
    /// The client's bytes belong to this exchange, not to the next request.
    var wantsInput: Bool {
        switch exchange.state {
        case .finished: false
        case .tunnelling: true
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .relaying: request.isBodyUnread
        }
    }

    /// The client sent some of them.
    func inputArrived() {
        switch exchange.state {
        case .finished: break
        case .tunnelling: pumpTunnel()
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .relaying: bodyArrived()
        }
    }

    /// The client sends nothing more; it may still read. Half a body can never become whole.
    func clientEnded() {
        switch exchange.state {
        case .finished: break
        case .tunnelling: pumpTunnel()
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .relaying:
            if request.isBodyUnread { end(.clientGone, .close) }
        }
    }

    /// The client took some of what waited for it.
    func clientTookBytes(now: UInt64) {
        switch exchange.state {
        case .relaying, .tunnelling: setDeadline(now: now)
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .finished: break
        }
    }

    /// The client caught up.
    func outputDrained() {
        switch exchange.state {
        case .relaying, .tunnelling: resumeUpstream()
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .finished: break
        }
    }

    /// A slow client stops the upstream from being read.
    func checkPressure() {
        if client.pendingOutput > ClientStream.outputWindow { pauseUpstream() }
    }

    func pauseUpstream() {
        guard let attempt, !attempt.isPaused else { return }
        self.attempt?.isPaused = true
        attempt.connection.setReading(false)
    }

    func resumeUpstream() {
        guard let attempt, attempt.isPaused else { return }
        self.attempt?.isPaused = false
        attempt.connection.setReading(true)
    }
}
