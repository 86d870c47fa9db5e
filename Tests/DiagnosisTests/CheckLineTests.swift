import Testing

@testable import Diagnosis

@Suite struct CheckLineTests {
    @Test("The subject is said once")
    func subject() {
        let line = CheckLine.fail("token endpoint", "token endpoint: Failed to connect")
        #expect(line.description == "fail  token endpoint Failed to connect")
        #expect(CheckLine.ok("DNS", "of the DNS: x").description == "ok    DNS            of the DNS: x")
    }
}
