import ServiceManager
import Testing

@Suite struct SocketActivationTests {
    private static let own: Int32 = 4711

    private func activation(_ variables: [String: String]) -> SocketActivation {
        SocketActivation(process: Self.own) { variables[$0] }
    }

    private func passed(_ count: String, _ names: String? = nil) -> SocketActivation {
        var variables = ["LISTEN_PID": "4711", "LISTEN_FDS": count]
        variables["LISTEN_FDNAMES"] = names
        return activation(variables)
    }

    @Test func withoutVariablesThereAreNone() {
        #expect(activation([:]) == .none)
        #expect(activation(["LISTEN_PID": "", "LISTEN_FDS": "1"]) == .none)
        // Left over from somebody who took the other away.
        #expect(activation(["LISTEN_FDS": "1", "LISTEN_FDNAMES": "proxy"]) == .none)
        #expect(passed("0") == .none)
    }

    @Test func socketsOfAnotherProcessAreNotThisOnes() {
        #expect(activation(["LISTEN_PID": "4712", "LISTEN_FDS": "1"]) == .foreign(process: 4712))
        #expect(activation(["LISTEN_PID": "0", "LISTEN_FDS": "nonsense"]) == .foreign(process: 0))
    }

    @Test func descriptorsFollowOneAnother() {
        #expect(
            passed("3", "proxy:inspector:proxy")
                == .passed([
                    .init(descriptor: 3, role: .proxy), .init(descriptor: 4, role: .inspector),
                    .init(descriptor: 5, role: .proxy),
                ])
        )
    }

    /// Without FileDescriptorName= systemd says the unit's name, systemd-socket-activate nothing, others `unknown`.
    @Test(arguments: [nil, "", "unknown", "squire@api.socket"])
    func whatNobodyNamedIsTheProxys(_ name: String?) {
        #expect(passed("1", name) == .passed([.init(descriptor: 3, role: .proxy)]))
    }

    /// Of whatever is in the environment comes a verdict, and never more sockets than there may be.
    @Test func anyEnvironmentHasAVerdict() {
        var generator = SystemRandomNumberGenerator()
        let parts = [
            "4711", "1", "3", "32", ":", "proxy", "inspector", ".socket", "-", " ", "é", "\u{0}", "9999999999",
        ]
        func value() -> String {
            (0..<Int.random(in: 0...6, using: &generator)).map { _ in parts.randomElement()! }.joined()
        }
        for _ in 0..<20_000 {
            let own = Bool.random(using: &generator) ? "4711" : value()
            let environment = ["LISTEN_PID": own, "LISTEN_FDS": value(), "LISTEN_FDNAMES": value()]
            switch activation(environment) {
            case .none, .foreign, .malformed: break
            case .passed(let passed):
                #expect(own == "4711" && (1...SocketActivation.maximum).contains(passed.count), "\(environment)")
                #expect(passed.map(\.descriptor) == Array(3..<Int32(3 + passed.count)), "\(environment)")
                #expect(passed.count { $0.role == .inspector } <= 1, "\(environment)")
            }
        }
    }

    @Test(arguments: [
        ("LISTEN_FDS", ["LISTEN_FDS": ""]), ("LISTEN_FDS", ["LISTEN_FDS": "-1"]), ("LISTEN_FDS", ["LISTEN_FDS": "1x"]),
        ("LISTEN_FDS", ["LISTEN_FDS": " 1"]), ("LISTEN_FDS", ["LISTEN_FDS": "33"]),
        ("LISTEN_FDS", ["LISTEN_FDS": "2147483647"]), ("LISTEN_FDS", ["LISTEN_FDS": "99999999999999999999"]),
        ("LISTEN_PID", ["LISTEN_PID": "self"]), ("LISTEN_PID", ["LISTEN_PID": "-4711"]),
        ("LISTEN_PID", ["LISTEN_PID": "٤"]), ("LISTEN_PID", ["LISTEN_PID": "4711\u{0}"]),
        ("LISTEN_FDNAMES", ["LISTEN_FDNAMES": "proxy"]), ("LISTEN_FDNAMES", ["LISTEN_FDNAMES": "proxy:proxy:proxy"]),
        ("LISTEN_FDNAMES", ["LISTEN_FDNAMES": "proxy:Proxy"]), ("LISTEN_FDNAMES", ["LISTEN_FDNAMES": "proxy:inspectr"]),
        ("LISTEN_FDNAMES", ["LISTEN_FDNAMES": "inspector:inspector"]),
        ("LISTEN_FDNAMES", ["LISTEN_FDNAMES": String(repeating: ":", count: 100_000)]),
    ])
    func whatContradictsItselfIsRefused(_ blamed: String, _ changes: [String: String]) {
        let variables = ["LISTEN_PID": "4711", "LISTEN_FDS": "2"].merging(changes) { $1 }
        guard case .malformed(let variable, let detail) = activation(variables) else {
            Issue.record("\(activation(variables))")
            return
        }
        #expect(variable == blamed)
        #expect(detail.utf8.count < 200)
    }
}
