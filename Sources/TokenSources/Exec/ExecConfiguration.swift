/// The settings in `session.exec`.
public struct ExecConfiguration: Equatable, Sendable {
    /// The command and its arguments, without a shell.
    public var command: [String]
    /// The working directory: the configuration's.
    public var directory: String
    public var format = ExecFormat.auto
    public var timeout = Duration.seconds(30)
    /// The variables that are added to this process's environment.
    public var variables: [Variable] = []
    /// The places of the token and its end in JSON output.
    public var places = ExecFormat.Places()

    /// An environment variable for the command.
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

    /// The command's name, the only part that may be shown.
    public var name: String { command.first ?? "" }
}
