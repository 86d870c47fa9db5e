import ArgumentParser
import CSystem
import Credentials
import EventIO
import Platform
import ReverseProxy
import Settings
import Threads

struct ExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command with its own proxy.",
        discussion: """
            Starts a proxy on a free port, exports its base URL as SQUIRE_URL and as each --env NAME, runs the \
            command, passes signals on to it, and exits with its code. The port needs no access.key, because it admits \
            only this user. With --listen unix:PATH, the URL is http://localhost, and SQUIRE_SOCKET names the socket \
            to connect to. Variables that contain the token or the access key are not passed on.

            Without a usable session, it says so and exits with 77 before it starts the command; --allow-missing \
            starts the command anyway.

              squire exec -- sh -c 'curl $SQUIRE_URL/api/customer-accounts/me'
              squire exec --env API_BASE -- ./legacy-tool
            """
    )

    @OptionGroup var config: ConfigFileOption

    @OptionGroup var options: ProxyOptions

    @Option(
        name: .long,
        parsing: .singleValue,
        help: ArgumentHelp("Also export the URL under this name; repeatable.", valueName: "name")
    )
    var env: [String] = []

    @Flag(name: .long, help: "Run the command even without a usable session.")
    var allowMissing = false

    @Argument(
        parsing: .postTerminator,
        help: "The command and its arguments, after --.",
        completion: .custom(CommandCompletion.words)
    )
    var command: [String]

    func validate() throws {
        guard !command.isEmpty else {
            throw ValidationError("say the command after --, such as: squire exec -- curl …")
        }
        for name in env where !VariableName.isValid(name) {
            throw ValidationError(
                "--env takes the name of a variable, to which the URL is given (letters, digits and _, no digit first), "
                    + "not \"\(ControlCharacters.escaped(name))\""
            )
        }
    }

    func run() throws {
        var overrides = options.overrides
        // Only the command knows the port, and it cannot send a key. Where the system can tell whose a connection is,
        // the user is checked instead. An address that a person chose is meant for others as well.
        let isPrivate = overrides.listen == nil && PeerUsers.tellsOfTCP
        if overrides.listen == nil { overrides.listen = .init("127.0.0.1:0", source: "exec") }
        if overrides.inspector == nil { overrides.inspector = .init("off", source: "exec") }
        // The command's output matters most, so that exchanges are logged only on request.
        var options = options
        if options.logLevel == nil, (Environment.all["SQUIRE_LOG_LEVEL"] ?? "").isEmpty { options.logLevel = "warning" }
        DescriptorLimit.raise()
        let service = try ProxyService(
            try Loading.load(config.path, overrides),
            logging: try options.logging(),
            isPrivate: isPrivate
        )
        defer { LogWriter.standardError.finish() }
        // On every way out, so that a refresh in flight is saved.
        defer { service.stop(.commandEnded) }
        try checkSession(service)
        scrubEnvironment(service)
        throw ExitCode(try runChild(service.url, service.logging))
    }

    /// Reports a problem of the session before the command meets it. Throws if no request could succeed.
    private func checkSession(_ service: ProxyService) throws {
        var status = service.session.status
        if !status.isUsable, status.shared != nil {
            // This machine may not have heard yet of the other machines' session.
            Latch.awaiting { looked in service.session.look { looked(()) } }
            status = service.session.status
        }
        let advice =
            service.sessionProblem ?? (status.isUsable || status.state == .starting ? nil : "A login is needed.")
        guard let advice else { return }
        if !status.isUsable, status.state != .starting, !allowMissing, !service.forwardsWithoutSession {
            throw ExitFailure.loginNeeded("squire: the command was not started (--allow-missing starts it). \(advice)")
        }
        Output.error("squire: \(advice)")
    }

    /// Removes secrets from the environment, because the command does not need them and may print or pass on what it
    /// has: the variables in which Squire expects secrets, and any other that contains a token or a configured secret.
    private func scrubEnvironment(_ service: ProxyService) {
        let secrets = service.secrets.filter { $0.utf8.count >= 8 }
        for (name, value) in Environment.all
        where ["SQUIRE_TOKEN", "SQUIRE_HEADER"].contains(name) || secrets.contains(where: value.contains) {
            unsetenv(name)
        }
    }

    /// Runs the command and returns its exit code. All signals that this process receives are passed on to it.
    private func runChild(_ url: String, _ logging: Logging) throws -> Int32 {
        exportAddress(url)
        let loop: EventLoop
        do throws(SystemError) {
            loop = try EventLoop()
        } catch {
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
        // The kernel keeps these signals pending until the command exists and `SignalWatch` can pass them on.
        let passedOn = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]
        var (blocked, former) = (sigset_t(), sigset_t())
        sigemptyset(&blocked)
        for signal in passedOn { sigaddset(&blocked, signal) }
        pthread_sigmask(SIG_BLOCK, &blocked, &former)
        let process: pid_t
        switch spawn(signalMask: former) {
        case .success(let child): process = child
        case .failure(let error):
            let advice = UnstartedCommand.advice(command, code: error.code).map { ". \($0)" } ?? ""
            Output.error("squire: cannot run \(CommandLines.quoted(command[0])): \(error.reason)\(advice)")
            return error.code == ENOENT ? 127 : 126
        }
        let signals = passedOn.map { signal in
            SignalWatch(loop: loop, signal: signal) { kill(process, signal) }
        }
        pthread_sigmask(SIG_SETMASK, &former, nil)
        let waiter = NativeThread(name: "squire-wait") {
            // WNOWAIT keeps the process's number reserved until it is waited for below.
            var ended = siginfo_t()
            _ = SystemCall.retrying { waitid(P_PID, id_t(process), &ended, WEXITED | WNOWAIT) }
            loop.stop()
        }
        guard let waiter else {
            kill(process, SIGTERM)
            throw ExitFailure.inputOutput("squire: a thread cannot be started")
        }
        loop.run()
        // The command has ended, and a refresh that it led to may be under way.
        Foreground.watchEnd(StopOrders(), logging, others: passedOn)
        waiter.join()
        withExtendedLifetime(signals) {}
        var ended: Int32 = 0
        while waitpid(process, &ended, 0) < 0, errno == EINTR {}
        // WIFEXITED and WEXITSTATUS of wait(2).
        return ended & 0x7F == 0 ? ended >> 8 & 0xFF : 128 + (ended & 0x7F)
    }

    /// Tells the command where its proxy is.
    private func exportAddress(_ url: String) {
        // The command must use this proxy, not one that it may be nested in.
        unsetenv("SQUIRE_SOCKET")
        let socket = UnixSpelling.path(url)
        for name in ["SQUIRE_URL"] + env { setenv(name, socket == nil ? url : "http://localhost", 1) }
        // An absolute path, because the command may change its directory.
        if let socket { setenv("SQUIRE_SOCKET", RealPath.of(socket) ?? socket, 1) }
    }

    /// Starts the command with the streams that this process received, and with that signal mask.
    private func spawn(signalMask: sigset_t) -> Result<pid_t, SystemError> {
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        let status = arguments.withUnsafeBufferPointer { arguments in
            withUnsafePointer(to: signalMask) { mask in
                var start = csystem_command()
                start.arguments = arguments.baseAddress
                start.mask = mask
                start.streams = (-1, -1, -1)
                return csystem_spawn(&start, &child)
            }
        }
        return status == 0 ? .success(child) : .failure(SystemError("cannot start a command", code: status))
    }
}
