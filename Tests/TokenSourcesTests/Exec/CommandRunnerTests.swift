import Platform
import Testing
import Threads

@testable import TokenSources

/// Real commands, which say at once what they have to say.
@Suite struct CommandRunnerTests {
    private static let environment = ["PATH": "/usr/bin:/bin", "GIVEN": "yes"]

    private static func runner(
        _ script: String,
        _ environment: [String: String] = environment,
        timeout: Duration = .seconds(20)
    ) -> CommandRunner {
        CommandRunner(
            arguments: ["sh", "-c", script],
            directory: "/",
            environment: environment,
            timeout: timeout,
            patience: .milliseconds(100)
        )
    }

    private static func output(_ end: CommandEnd) -> String? {
        if case .printed(let bytes, _) = end { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    @Test func itRunsWhereItIsToldWithWhatItIsTold() {
        let end = Self.runner("pwd; echo $GIVEN $SQUIRE_EXEC; cat").run(.bytes(Array("in".utf8)))
        #expect(Self.output(end) == "/\nyes 1\nin")
        #expect(Self.output(Self.runner("cat; readlink /proc/self/fd/0").run()) == "/dev/null\n")
    }

    @Test func itHasAGroupOfItsOwnAndNoTerminal() throws {
        // pid, comm, state, ppid, pgrp, session, tty (proc(5))
        let end = Self.runner(#"echo $$; cut -d" " -f5-7 /proc/$$/stat"#).run()
        let lines = try #require(Self.output(end)).split(separator: "\n").map(String.init)
        #expect(lines.count == 2 && lines[1] == "\(lines[0]) \(lines[0]) 0", "\(lines)")
    }

    @Test func noDescriptorIsInherited() {
        #expect(Self.output(Self.runner("ls /proc/self/fd | wc -w").run()) == "4\n")
    }

    @Test func itsEndIsTold() {
        #expect(Self.runner("echo one >&2; echo two >&2; exit 3").run() == .failed(.exited(code: 3, complaint: "two")))
        #expect(Self.runner("kill -9 $$").run() == .failed(.signalled(SIGKILL, complaint: nil)))
        #expect(Self.runner("printf x; printf 'late\n\n' >&2").run() == .printed(Array("x".utf8), complaint: "late"))
        let missing = CommandRunner(arguments: ["/no/such"], directory: "/", environment: [:], timeout: .seconds(1))
        #expect(missing.run() == .failed(.notStarted(ENOENT)))
        let nowhere = CommandRunner(arguments: ["sh"], directory: "/no/such", environment: [:], timeout: .seconds(1))
        #expect(nowhere.run() == .failed(.notStarted(ENOENT)))
    }

    @Test func muchOutputIsRefusedAndLittleIsNot() {
        #expect(Self.runner("head -c 65537 /dev/zero").run() == .failed(.tooMuchOutput))
        #expect(Self.output(Self.runner("head -c 65536 /dev/zero").run())?.utf8.count == 65536)
        // Complaints are read as long as there are some, and not kept.
        #expect(Self.output(Self.runner("head -c 3000000 /dev/zero >&2; echo ok").run()) == "ok\n")
    }

    @Test func whatItLeavesBehindIsNotWaitedFor() {
        #expect(Self.output(Self.runner("sleep 600 & echo ok; kill -0 $! && echo $! >/dev/null").run()) == "ok\n")
    }

    @Test func atItsTimeoutItIsNotWaitedForAndItsGroupEnds() throws {
        let script = "trap '' TERM; sleep 600 & echo $! >&2; echo $$ >&2; while :; do sleep 600; done"
        let runner = Self.runner(script, timeout: .milliseconds(200))
        let begun = MonotonicClock.now()
        let end = runner.run()
        #expect(MonotonicClock.now() - begun < 5_000_000_000)
        guard case .failed(.timedOut(_, let complaint)) = end, let number = complaint.flatMap({ pid_t($0) }) else {
            Issue.record("\(end)")
            return
        }
        // While it is being ended it is not started again.
        #expect(runner.run() == .failed(.stillEnding))
        let deadline = MonotonicClock.now() + 20_000_000_000
        while kill(-number, 0) == 0, MonotonicClock.now() < deadline { _ = poll(nil, 0, 5) }
        #expect(kill(-number, 0) != 0)
    }

    /// It is given when the command runs: its first word says that it does.
    @Test func aSignalToStopEndsIt() throws {
        let stop = try #require(StopSignal())
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        let thread = NativeThread(name: "giver") { [reader = ends[0]] in
            var octet: UInt8 = 0
            _ = SystemCall.retrying { read(reader, &octet, 1) }
            stop.give()
        }
        let giver = try #require(thread)
        let begun = MonotonicClock.now()
        let runner = Self.runner("echo > /proc/\(getpid())/fd/\(ends[1]); while :; do sleep 600; done")
        #expect(runner.run(stop: stop) == .failed(.stopped))
        #expect(MonotonicClock.now() - begun < 10_000_000_000)
        giver.join()
        for end in ends { close(end) }
        // What is to stop is not begun.
        #expect(Self.runner("echo x").run(stop: stop) == .failed(.stopped))
    }

    @Test func aCommandThatLeadsToItselfIsRefused() {
        let arguments = ["sh", "-c", "echo $SQUIRE_EXEC_COMMANDS"]
        func run(_ arguments: [String], _ environment: [String: String]) -> CommandEnd {
            CommandRunner(arguments: arguments, directory: "/", environment: environment, timeout: .seconds(20)).run()
        }
        guard let list = Self.output(run(arguments, Self.environment))?.split(separator: "\n").first else {
            Issue.record("no list")
            return
        }
        var inner = Self.environment
        inner["SQUIRE_EXEC"] = "1"
        // Nobody says which one it was.
        #expect(run(arguments, inner) == .failed(.runsItself))
        inner["SQUIRE_EXEC_COMMANDS"] = String(list)
        #expect(run(arguments, inner) == .failed(.runsItself))
        #expect(Self.output(run(["echo", "another"], inner)) == "another\n")
        inner["SQUIRE_EXEC_COMMANDS"] = (0..<8).map { "\($0)" }.joined(separator: ",")
        #expect(run(["echo", "too", "deep"], inner) == .failed(.runsItself))
    }

    @Test(
        "The last line is the last that says something",
        arguments: [
            ("", nil), ("\n\n", nil), ("one", "one"), ("one\n", "one"), ("one\r\ntwo\r\n\r\n", "two"),
            ("a\n  \nb", "b"),
            ("one\n \n", "one"),
        ] as [(String, String?)]
    ) func lastLine(_ text: String, _ expected: String?) {
        for cut in 0...text.utf8.count {
            var line = LastLine()
            let bytes = Array(text.utf8)
            line.append(bytes[..<cut])
            line.append(bytes[cut...])
            #expect(line.text == expected)
        }
    }

    @Test func aLongLineIsCut() {
        var line = LastLine()
        for _ in 0..<100 { line.append(Array(repeating: UInt8(ascii: "x"), count: 1000)[...]) }
        #expect(line.text?.utf8.count == LastLine.maxBytes)
    }

    @Test(
        "A complaint shows no secret",
        arguments: [
            ("no such user: bob", "no such user: bob"), ("pass hunter2hunter2!", "pass ‹redacted›!"),
            ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln.", "got ‹redacted›"),
            ("Authorization: Bearer abcdefgh1", "Authorization: Bearer ‹redacted›"),
            ("see https://example.com/docs/auth.html", "see https://example.com/docs/auth.html"),
            ("key AKIA1234567890abcdefghij is old", "key ‹redacted› is old"), ("a\u{1B}[31mb", "a [31mb"),
            ("got refresh_token=r-17, expires_in=60", "got refresh_token=‹redacted›, expires_in=60"),
            (#"{"refresh_token": "r-17", "scope": "a1"}"#, "{'refresh_token': '‹redacted›', 'scope': 'a1'}"),
            ("mytool --client-secret='x y1' failed", "mytool --client-secret='‹redacted› y1' failed"),
            ("password = hunter", "password = ‹redacted›"), (#"{"password":"hunter"}"#, "{'password':'‹redacted›'}"),
            ("Password: Tr0ub4", "Password: ‹redacted›"), ("password: wrong", "password: wrong"),
            ("invalid token: it has expired", "invalid token: it has expired"),
            ("GET /?access_token=a1&b=2", "GET /?access_token=‹redacted›&b=2"),
        ]
    ) func complaint(_ text: String, _ shown: String) {
        #expect(Complaint.text(text, hiding: ["hunter2hunter2"]) == shown)
    }
}
