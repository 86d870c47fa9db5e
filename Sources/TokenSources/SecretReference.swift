/// Where a secret of the configuration is kept.
public enum SecretReference: Equatable, Sendable {
    /// In the configuration itself.
    case plain(String)
    /// In an environment variable.
    case environment(String)
    /// In a file, by its whole path.
    case file(String)
    /// In what a command prints; without a shell.
    case command([String])
}
