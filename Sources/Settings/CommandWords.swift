import EventIO
import HTTP1
import ReverseProxy

/// Recognises common mistakes in a command line: a misspelt command, another program's word for it, an option before
/// its command.
public struct CommandWords: Sendable {
    /// A command and its subcommands.
    public struct Command: Sendable {
        public var name: String
        public var subcommands: [Command]

        public init(_ name: String, _ subcommands: [Command] = []) {
            self.name = name
            self.subcommands = subcommands
        }
    }

    private let root: Command

    public init(_ root: Command) {
        self.root = root
    }

    /// Commands of other programs, and the equivalent line.
    private static let elsewhere = [
        "start": "run", "serve": "run", "server": "run", "proxy": "run", "up": "run", "listen": "run", "daemon": "run",
        "version": "--version", "-v": "--version", "-V": "--version", "-version": "--version",
        "signin": "login", "sign-in": "login", "auth": "login", "authenticate": "login",
        "signout": "logout", "sign-out": "logout",
        "whoami": "status", "info": "status", "state": "status", "session": "status", "sessions": "status --all",
        "ps": "status", "list": "status --all",
        "validate": "check", "lint": "check", "verify": "check", "test": "check --online", "doctor": "check --online",
        "new": "init", "create": "init", "setup": "init", "configure": "init",
        "preset": "profile", "presets": "profile", "profiles": "profile",
        "restart": "reload", "reread": "reload", "dry-run": "explain", "simulate": "playground", "mock": "playground",
        "completion": "--generate-completion-script bash", "completions": "--generate-completion-script bash",
        "man": "help",
    ]

    /// Other programs' commands for what a signal does here.
    private static let ending = ["stop", "kill", "quit", "down", "shutdown"]

    /// Options of subcommands that people write before the subcommand.
    private static let leading = [
        "config", "listen", "upstream", "header", "session", "inspector", "workers", "log-level", "log-format",
    ]

    /// The options of the program itself.
    private static let own = ["--help", "--version", "--generate-completion-script"]

    /// The subcommands that listen.
    private static let listening = ["run", "demo", "exec", "playground"]

    /// The mistake in the arguments, with a suggestion, as a sentence; nil if none is recognised.
    public func problem(in words: [String]) -> String? {
        let isHelp = words.first == "help"
        var (command, rest) = (root, isHelp ? words[1...] : words[...])
        while !command.subcommands.isEmpty, let word = rest.first {
            guard let next = command.subcommands.first(where: { $0.name == word }) else {
                let path = command.name == root.name ? [] : [command.name]
                if word.hasPrefix("-") { return path.isEmpty ? Self.leadingProblem(word, rest.dropFirst().first) : nil }
                return Self.unknown(word, path, command.subcommands.map(\.name) + (path.isEmpty ? ["help"] : []))
            }
            (command, rest) = (next, rest.dropFirst())
        }
        if !isHelp, command.name == "exec", !rest.contains("--"), let operand = Self.firstOperand(rest) {
            // What the options say is not repeated: a header may be a secret.
            let options = operand == rest.startIndex ? "" : "… "
            return "the command stands behind --: did you mean "
                + "\"squire exec \(options)-- \(CommandLines.quoted(rest[operand]))\"?"
        }
        if !isHelp, command.name == "explain", let problem = Self.requestProblem(Array(rest)) { return problem }
        return isHelp || !Self.listening.contains(command.name) ? nil : portProblem(command.name, rest)
    }

    /// The options of `squire exec` without a value.
    private static let flags = ["--allow-missing", "--help", "-h", "-help", "--version"]

    /// The index of the first word that is neither an option nor an option's value; nil if there is none.
    private static func firstOperand(_ words: ArraySlice<String>) -> Int? {
        var index = words.startIndex
        while index < words.endIndex, words[index].hasPrefix("-") {
            index += flags.contains(words[index]) || words[index].contains("=") ? 1 : 2
        }
        return index < words.endIndex ? index : nil
    }

    /// `squire explain` has one word: only a target, or a method and a target in quotes.
    private static func requestProblem(_ words: [String]) -> String? {
        guard words.count == 1, let word = words.first else { return nil }
        if word.hasPrefix("/") || word.hasPrefix("http://") || word.hasPrefix("https://") {
            return "the method is missing: squire explain GET \(CommandLines.quoted(word))"
        }
        let parts = word.split(separator: " ").map { CommandLines.quoted(String($0)) }
        guard parts.count > 1, !word.hasPrefix("-") else { return nil }
        return "method and target are two words: squire explain \(parts.prefix(2).joined(separator: " "))"
    }

    private static func unknown(_ word: String, _ path: [String], _ names: [String]) -> String {
        let said = path.isEmpty ? "there is no command \"\(word)\"" : "\(path[0]) has no command \"\(word)\""
        let meant: String? =
            path.isEmpty
            ? (elsewhere[word.lowercased()] ?? option(word).map { "run \($0.name) \(CommandLines.quoted($0.value))" })
            : nil
        if let meant { return "\(said): did you mean \"squire \(meant)\"?" }
        if path.isEmpty, ending.contains(word.lowercased()) {
            return "\(said): a squire ends with Ctrl-C, or with SIGTERM: kill PID, which squire status tells"
        }
        if let name = Spelling.nearest(to: word, among: names) { return "\(said): did you mean \"\(name)\"?" }
        return "\(said); see \((["squire"] + path).joined(separator: " ")) --help"
    }

    /// The option that a lone value probably belongs to: the API's URL, an address, a configuration.
    private static func option(_ word: String) -> (name: String, value: String)? {
        let lowercase = word.lowercased()
        if lowercase.hasPrefix("https://") || lowercase.hasPrefix("http://") { return ("--upstream", word) }
        if lowercase.hasSuffix(".yaml") || lowercase.hasSuffix(".yml") { return ("--config", word) }
        // A path may belong to any option.
        guard !["/", ".", "~"].contains(where: word.hasPrefix) else { return nil }
        let text = AddressForm.nearest(to: word) ?? word
        guard let address = ListenAddress(text) else { return nil }
        return address.isLocal ? ("--listen", text) : ("--upstream", "https://" + lowercase)
    }

    /// Completes the argument parser's message about an unexpected argument with a suggestion, if the subcommand has a
    /// similar option.
    public static func hinted(_ text: String) -> String {
        let begin = "Unexpected argument '"
        guard let end = text.firstIndex(of: "\n"), let start = text[..<end].firstRange(of: begin),
            text[..<end].hasSuffix("'"), start.upperBound < end,
            let option = option(String(text[start.upperBound..<end].dropLast())),
            text[end...].contains("\(option.name) <")
        else { return text }
        return "\(text[..<end]): did you mean \(option.name) \(CommandLines.quoted(option.value))?\(text[end...])"
    }

    private static func leadingProblem(_ word: String, _ next: String?) -> String? {
        if let meant = elsewhere[word] { return "there is no option \(word): did you mean \"squire \(meant)\"?" }
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard word.hasPrefix("--"), !own.contains(String(parts[0])) else { return nil }
        guard leading.contains(String(parts[0].dropFirst(2))) else {
            return Spelling.nearest(to: word, among: own).map {
                "there is no option \(word): did you mean \"squire \($0)\"?"
            }
        }
        let value = parts.count > 1 ? "" : next.map { " \(CommandLines.quoted($0))" } ?? " …"
        let option = CommandLines.quoted(word) + value
        return "options stand behind the command, as in: squire run \(option)"
    }

    /// Looks only before `--`, which ends the options.
    private func portProblem(_ command: String, _ words: ArraySlice<String>) -> String? {
        for (index, word) in zip(words.indices, words).prefix(while: { $1 != "--" }) {
            guard word == "-p" || word == "--port" || word.hasPrefix("--port=") else { continue }
            let value = word.hasPrefix("--port=") ? String(word.dropFirst(7)) : words[(index + 1)...].first ?? "8080"
            let port = ListenAddress(value) == nil ? "8080" : value
            let option = word.hasPrefix("--port=") ? "--port" : word
            return "there is no \(option): where to listen is --listen, as in: squire \(command) --listen "
                + CommandLines.quoted(port)
        }
        return nil
    }
}
