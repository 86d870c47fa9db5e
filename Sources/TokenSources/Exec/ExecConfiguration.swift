/// What `session.exec` says.
public struct ExecConfiguration: Equatable, Sendable {
    public var command: [String]
    public var timeout = Duration.seconds(30)

    public init(command: [String]) {
        self.command = command
    }
}
