import ArgumentParser
import Credentials
import ReverseProxy
import Settings

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show what would be sent for a request, without sending it.",
        discussion: """
            Takes the options of squire run as well, and shows what would be sent with them. Exits with 1 if Squire \
            itself would refuse the request, and with 64 if METHOD and TARGET are none.

              squire explain GET /api/venues
              squire explain POST /api/orders -H 'Authorization: Bearer mine'
            """
    )

    @OptionGroup var config: ConfigFileOption

    @OptionGroup var options: ProxyOptions

    @Argument(help: "GET, POST, …", completion: .list(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]))
    var method: String
    @Argument(help: "The path and query, as a client would send them.") var target: String

    @Option(
        name: [.customShort("H", allowingJoined: true), .customLong("request-header")],
        parsing: .singleValue,
        help: ArgumentHelp("A header that the client sends; repeatable.", valueName: "'Name: value'")
    )
    var requestHeader: [String] = []

    func validate() throws {
        // The line may be a secret value, so it is not repeated.
        for line in requestHeader where !line.contains(":") || line.utf8.contains(0x0D) || line.utf8.contains(0x0A) {
            throw ValidationError("-H must be 'Name: value', on one line")
        }
    }

    func run() throws {
        let loaded = try Loading.load(config.path, options.overrides, .look)
        switch try access(loaded, fields) {
        case nil: throw ExitFailure.usage("squire: that is not a request: squire explain GET /api/venues")
        case .refused(let problem)?:
            refuse(problem)
            throw ExitCode(1)
        case .malformed(let problem)?:
            refuse(problem)
            // The two words are no request, whatever the fields are.
            if case .malformed? = try access(loaded, []) { throw ExitCode(ExitReason.usage.rawValue) }
            throw ExitCode(1)
        case .answered(let reason)?: Output.labelled("access      answered by Squire: \(reason)")
        case .allowed(let forwarding)?:
            show(forwarding)
            if let hint = RequestWords.doubt(method: method) { Output.say("\n\(hint)") }
        }
    }

    private func access(
        _ loaded: LoadedConfiguration,
        _ fields: [(name: String, value: String)]
    ) throws -> Explanation.Access? {
        try Explanation(
            Explanation.Request(method: method, target: target, fields: fields),
            loaded.configuration,
            applySource: loaded.applySource,
            hasKey: false,
            status: { try SessionAccess(loaded, .look).session.status }
        )?.access
    }

    /// The fields of `-H`: a line without a colon was refused.
    private var fields: [(name: String, value: String)] {
        requestHeader.map { line in
            let name = line.prefix { $0 != ":" }
            let value = line[name.endIndex...].dropFirst().drop { $0 == " " || $0 == "\t" }
            return (String(name), String(value))
        }
    }

    /// Prints the refusal.
    private func refuse(_ problem: Problem) {
        Output.labelled("access      refused: \(problem.status) \(problem.code.rawValue): \(problem.detail)")
        if problem.status == 400, let hint = RequestWords.advice(method: method, target: target) {
            Output.labelled("            \(hint)")
        }
    }

    private func show(_ forwarding: Explanation.Forwarding) {
        Output.labelled("access      allowed")
        let because = forwarding.route.because.map { ", \($0)" } ?? ""
        Output.labelled("route       \(forwarding.route.kind.rawValue)\(because)")
        Output.labelled("upstream    \(forwarding.upstream)")
        Output.labelled("cookies     \(forwarding.cookies)")
        Output.labelled("token       \(forwarding.token.text)")
        Output.line("")
        Output.line("  \(forwarding.requestLine)")
        for field in forwarding.fields {
            // The field itself is never folded; only the note may go to the next line.
            let line = "  " + (field.what == .removed ? "removed: \(field.name)" : Self.line(field))
            Output.row([line, Self.note(field)].compactMap(\.self), separator: "    ", indentation: 6)
        }
    }

    private static func line(_ field: Explanation.Field) -> String {
        "\(field.name): \(field.secret ?? field.value)"
    }

    private static func note(_ field: Explanation.Field) -> String? {
        switch field.what {
        case .removed: return "(\(field.why ?? ""))"
        case .set, .replaced:
            if field.isToken { return "(\(field.why ?? ""), \(field.source ?? ""))" }
            return "(\(field.what.rawValue): \(field.source ?? ""))"
        case .kept: return field.why.map { "(\($0))" }
        // A field that every request has needs no explanation.
        case .made: return nil
        }
    }
}
