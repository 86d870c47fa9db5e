import Upstream

/// Events of the client during its exchange: it sends, ends its side, reads, or falls behind.
extension ExchangeRunner {
    /// The client's bytes belong to this exchange, not to the next request.
    var wantsInput: Bool {
        switch exchange.state {
        case .finished: false
        case .tunnelling: true
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .relaying: request.isBodyUnread
        }
    }

    /// The client sent such bytes.
    func inputArrived() {
        switch exchange.state {
        case .finished: break
        case .tunnelling: pumpTunnel()
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .relaying: bodyArrived()
        }
    }

    /// The client sends nothing more, but may still read. A partial body can never become complete.
    func clientEnded() {
        switch exchange.state {
        case .finished: break
        case .tunnelling: pumpTunnel()
        case .awaitingCredential, .sending, .holding, .collecting, .settling, .relaying:
            if request.isBodyUnread { end(.clientGone, .close) }
        }
    }

    /// The client accepted some of the pending bytes.
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

    /// Stops reading the upstream if the client is slow.
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
