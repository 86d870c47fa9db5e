import ServiceManager
import Testing

@Suite struct ServiceStateTests {
    private func serving(_ status: String = "1") -> ServiceState {
        var state = ServiceState()
        #expect(state.served(status) == .ready(status: status))
        return state
    }

    @Test func nothingIsSaidBeforeItServes() {
        var state = ServiceState()
        #expect(state.changed("1") == nil)
        #expect(state.reloadBegan(at: 1) == nil)
        #expect(state.reloadEnded("1") == nil)
        #expect(state == .starting)
    }

    @Test func itIsReadyOnce() {
        var state = serving()
        #expect(state.served("2") == nil)
    }

    @Test func whatIsKnownIsNotSaidAgain() {
        var state = serving()
        #expect(state.changed("1") == nil)
        #expect(state.changed("2") == .status("2"))
        #expect(state.changed("2") == nil)
        #expect(state.changed("1") == .status("1"))
    }

    /// What changes meanwhile comes with the end.
    @Test func aReloadIsAnnouncedAndEnds() {
        var state = serving()
        #expect(state.reloadBegan(at: 7) == .reloading(at: 7))
        #expect(state.changed("2") == nil)
        #expect(state.reloadEnded("2") == .ready(status: "2"))
        #expect(state.changed("2") == nil)
        #expect(state.reloadEnded("3") == nil)
    }

    /// Of several proxies, which one signal has read again, nothing is said twice; but a manager that asks while
    /// another reload is under way waits for a word that is younger than its signal (systemd's `Type=notify-reload`).
    @Test func reloadsAtATimeEndAsOne() {
        var state = serving()
        #expect(state.reloadBegan(at: 7) == .reloading(at: 7))
        #expect(state.reloadBegan(at: 7) == nil)
        #expect(state.reloadEnded("2") == nil)
        #expect(state.reloadBegan(at: 9) == .reloading(at: 9))
        #expect(state.reloadBegan(at: 8) == nil)
        #expect(state.reloadEnded("2") == nil)
        #expect(state.reloadEnded("3") == nil)
        #expect(state.reloadEnded("4") == .ready(status: "4"))
    }

    @Test(arguments: [false, true])
    func nothingIsSaidBehindTheEnd(_ isReloading: Bool) {
        var state = serving()
        if isReloading { _ = state.reloadBegan(at: 7) }
        #expect(state.ends("e", within: 5) == .stopping(status: "e", within: 5))
        #expect(state.ends("e", within: 5) == nil)
        #expect(state.changed("2") == nil && state.served("2") == nil)
        #expect(state.reloadBegan(at: 8) == nil && state.reloadEnded("2") == nil)
    }

    /// It is told to end while it starts.
    @Test func itMayEndBeforeItServes() {
        var state = ServiceState()
        #expect(state.ends("e", within: 5) == .stopping(status: "e", within: 5))
        #expect(state.served("1") == nil)
    }
}
