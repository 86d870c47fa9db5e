import Platform

/// How the configuration file was found.
public enum ConfigurationFound: Equatable, Sendable {
    /// There is no file: everything comes from options and variables.
    case nowhere
    /// A person named it with `--config`.
    case named(String)
    /// `SQUIRE_CONFIG` names it.
    case variable(String)
    /// It is `./squire.yaml`, found without being named.
    case here(String)
    /// It is the user's own, in `$XDG_CONFIG_HOME/squire`.
    case home(String)

    public var path: String? {
        switch self {
        case .nowhere: nil
        case .named(let path), .variable(let path), .here(let path), .home(let path): path
        }
    }

    /// Whether a person or a variable names the file.
    var isNamed: Bool {
        switch self {
        case .named, .variable: true
        case .nowhere, .here, .home: false
        }
    }

    /// Why a file must not be used without being named: another user may have written it. The rest of a sentence that
    /// begins with its name; nil if it may be used.
    static func distrust(_ path: String) -> String? {
        let (ours, root) = (geteuid(), uid_t(0))
        var (file, link, directory) = (stat(), stat(), stat())
        guard unsafe lstat(path, &link) == 0, unsafe stat(path, &file) == 0,
            unsafe stat(ParentDirectory.of(path), &directory) == 0
        else { return nil }  // It cannot be read either.
        if file.st_uid != ours || link.st_uid != ours { return "belongs to another user" }
        if directory.st_uid != ours, directory.st_uid != root { return "is in a directory of another user" }
        if file.st_mode & 0o022 != 0 { return "can be written by other users" }
        if directory.st_mode & 0o022 != 0, directory.st_mode & mode_t(S_ISVTX) == 0 {
            return "is in a directory that other users can write to"
        }
        return nil
    }
}
