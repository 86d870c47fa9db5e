/// What `session.exec` says.
public struct ExecConfiguration: Equatable, Sendable {
    /// The command and its arguments, without a shell.
    public var command: [String]
    /// Where it runs: the configuration's directory.
    public var directory: String
    public var format = ExecFormat.auto
    public var timeout = Duration.seconds(30)
    /// What its environment has beside this process's.
    public var variables: [Variable] = []
    /// Where its output holds the token, when that is JSON.
    public var places = ExecFormat.Places()

    /// A variable of the command's environment.
    public struct Variable: Equatable, Sendable {
        public var name: String
        public var value: SecretValue

        public init(name: String, value: SecretValue) {
            self.name = name
            self.value = value
        }
    }

    public init(command: [String], directory: String = ".") {
        self.command = command
        self.directory = directory
    }

    /// The name of the command: what of it may be shown.
    public var name: String { command.first ?? "" }
}
