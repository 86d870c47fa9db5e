import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Upstream

struct LogoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout",
        abstract: "Log out at the API, then forget the token.",
        discussion: """
            An expired token is refreshed first: the API refuses to log it out, and it would stay refreshable. With --local \
            nothing is sent.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Only forget the token here; at the API it lives on.")
    var local = false

    func run() throws {
        let session = try SessionAccess(try options.load())
        let configuration = session.loaded.configuration
        var token = try session.token()
        if !local, let path = configuration.session.signOut.compactMap(\.postPath).first {
            if let seconds = session.cache.status.expiresIn, seconds <= 5, configuration.session.refresh != nil {
                do {
                    token = try session.refresh(.manual)
                } catch let failure as ExitFailure where failure.code == 77 {
                    // It can do nothing any more.
                    try session.forget()
                    Output.line("logged out (the token was dead already)")
                    return
                }
            }
            let timeout = configuration.session.refresh?.timeout ?? .seconds(30)
            let requests = SessionRequests(configuration)
            var response = try LoginCommand.response(requests.send("POST", path, token: token, timeout: timeout))
            if response.status == 401, configuration.session.refresh != nil, let fresh = try? session.refresh(.rejected)
            {
                response = try LoginCommand.response(requests.send("POST", path, token: fresh, timeout: timeout))
            }
            guard (200..<300).contains(response.status) || response.status == 401 else {
                throw ExitFailure.tryLater(
                    "squire: the API answers the logout with status \(response.status); the token is kept. "
                        + "Try again, or forget it here only: squire logout --local"
                )
            }
        } else if !local {
            Output.error(
                "squire: no session.sign-out is configured: the token is forgotten here, but lives on at the API"
            )
        }
        try session.forget()
        Output.line("logged out")
    }
}
