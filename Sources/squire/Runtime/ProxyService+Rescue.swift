import Credentials
import Logging
import Settings

/// Saves what is only in memory when the proxy ends.
extension ProxyService {
    /// Saves a token beside its file, and reports the path. Returns true if anything was not saved.
    func rescue(_ session: Session) -> Bool {
        guard let unsaved = session.rescue() else { return false }
        let path = CommandLines.quoted(unsaved.path)
        let story = "the token in use could not be saved (\(unsaved.reason))"
        let text =
            switch unsaved.what {
            case .tokens(let kept?):
                "\(story), and is kept in \(kept). To take it up, move \(path) away, if anything is there, and run: "
                    + "mv \(CommandLines.quoted(kept)) \(path)"
            case .tokens(nil): "\(story), nor kept beside its file: the session needs a login"
            case .end:
                "the session has ended, but \(path) still has its token, which the next Squire would use "
                    + "(\(unsaved.reason)): remove that file"
            }
        logging.logger().error("\(ControlCharacters.escaped(text))")
        return true
    }
}
