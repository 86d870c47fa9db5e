import Credentials
import Logging
import Settings

/// Saves a token that is only in memory when the proxy ends.
extension ProxyService {
    /// Saves it beside its file, and reports the path. Returns true if there was one.
    func rescue(_ session: Session) -> Bool {
        guard let unsaved = session.rescue() else { return false }
        let path = CommandLines.quoted(unsaved.path)
        let story = "the token in use could not be saved (\(unsaved.reason))"
        let text: String
        if let kept = unsaved.keptIn {
            text =
                "\(story), and is kept in \(kept). To take it up, move \(path) away, if anything is there, and run: "
                + "mv \(CommandLines.quoted(kept)) \(path)"
        } else {
            text = "\(story), nor kept beside its file: the session needs a login"
        }
        logging.logger().error("\(ControlCharacters.escaped(text))")
        return true
    }
}
