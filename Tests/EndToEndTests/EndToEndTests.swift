import Testing

/// Runs the scenarios: Squire as a process, driven by real clients and raw sockets. They are written in Python, whose
/// sockets share nothing with the code under test. Each case is an argument; `SQUIRE_CASE` and `SQUIRE_REPEAT` choose
/// and repeat them (.github/CONTRIBUTING.md).
@Suite
struct EndToEndTests {
    @Test(arguments: Case.all)
    func scenario(_ scenario: Case) async {
        let result = await scenario.run()
        #expect(result.status == 0, "\(scenario.name)\n\(result.output)")
    }
}
