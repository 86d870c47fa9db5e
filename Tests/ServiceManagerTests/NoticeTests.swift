import ServiceManager
import Testing

@Suite struct NoticeTests {
    private func text(_ notice: Notice) -> String { String(decoding: notice.datagram, as: UTF8.self) }

    @Test func assignmentsStandOnLinesOfTheirOwn() {
        #expect(text(.ready(status: "It serves.")) == "READY=1\nSTATUS=It serves.\n")
        #expect(
            text(.reloading(at: 5_000_001))
                == "RELOADING=1\nMONOTONIC_USEC=5000001\nSTATUS=The configuration is read again.\n"
        )
        #expect(
            text(.stopping(status: "It ends.", within: 70_000_000))
                == "STOPPING=1\nSTATUS=It ends.\nEXTEND_TIMEOUT_USEC=70000000\n"
        )
        #expect(text(.status("é")) == "STATUS=é\n")
    }

    /// What is in a status comes from a configuration, and from a token's issuer.
    @Test func aStatusIsNoOtherAssignment() {
        #expect(text(.status("a\nMAINPID=1\r\u{0}\u{85}\u{1B}[2J")) == "STATUS=a MAINPID=1    [2J\n")
    }

    @Test(arguments: ["x", "é", "𝄞"])
    func aStatusHasABound(_ letter: String) {
        let long = text(.ready(status: String(repeating: letter, count: 100_000)))
        #expect(long.hasSuffix("\(letter)…\n") && long.utf8.count <= 540)
        let fitting = String(repeating: letter, count: 512 / letter.utf8.count)
        #expect(text(.status(fitting)) == "STATUS=\(fitting)\n")
    }
}

@Suite struct NoticeQueueTests {
    @Test func whatALaterStatusSaysAgainIsLeftOut() {
        var queue = NoticeQueue()
        for notice in [Notice.ready(status: "1"), .status("2"), .reloading(at: 1), .status("3"), .status("4")] {
            #expect(queue.add(notice) == true)
        }
        #expect(queue.waiting == [.ready(status: "2"), .reloading(at: 1), .status("4")])
        queue.removeFirst()
        #expect(queue.first == .reloading(at: 1))
    }

    @Test func aManagerThatReadsNothingCostsNoMemory() {
        var queue = NoticeQueue()
        for number in 0..<UInt64(NoticeQueue.maximum) { #expect(queue.add(.reloading(at: number)) == true) }
        #expect(queue.add(.ready(status: "")) == false)
        #expect(queue.waiting.isEmpty)
        queue.removeFirst()
        #expect(queue.add(.status("again")) == true)
    }
}
