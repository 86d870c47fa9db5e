import Credentials
import Testing

@Suite struct SharedStatusWaitingTests {
    private func status(_ edit: (inout SharedStatus) -> Void) -> SharedStatus {
        var status = SharedStatus(engine: "etcd", name: "menu")
        edit(&status)
        return status
    }

    /// Whoever prints a token waits for a refresh that ends, and for no other.
    @Test func onlyARefreshThatIsToldOfIsWaitedFor() {
        let claim = SharedStatus.Claim(by: "host/1/a", age: 0)
        #expect(!status { _ in }.isBeingRefreshed)
        #expect(status { $0.claim = claim }.isBeingRefreshed)
        // The claim is on what this machine replaced; or nothing is heard of it.
        #expect(!status { ($0.claim, $0.unshared) = (claim, .init(.token, seconds: 3)) }.isBeingRefreshed)
        #expect(!status { ($0.claim, $0.link) = (claim, .lost) }.isBeingRefreshed)
    }

    /// An engine that answers, and lets nothing be read, is no reason to log in.
    @Test func aReasonIsGivenWhateverTheEngineSays() {
        #expect(status { $0.link = .open }.adviceWithoutToken == nil)
        let denied = status { ($0.link, $0.problem) = (.open, "permission denied") }
        #expect(denied.adviceWithoutToken?.contains("permission denied") == true)
    }
}
