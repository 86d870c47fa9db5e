import Credentials
import HTTP1
import ReverseProxy

/// Reads how a token is applied to requests, or that there is no session.
extension ConfigurationSections {
    /// Reads `session.apply`.
    func apply(_ map: MapReader, _ session: inout SessionConfiguration) {
        guard let text = map.string("apply") else { return }
        do throws(CredentialApplication.Malformed) {
            session.apply = try CredentialApplication(parsing: text)
        } catch {
            map.fail("apply", error.reason)
        }
    }

    /// The place of `session.apply` in the file; nil for the default.
    var applySource: String? {
        guard case .mapping(let mapping) = root, case .mapping(let session)? = mapping["session"]?.value,
            let entry = session["apply"], !entry.value.isNull
        else { return nil }
        return issues.place(of: entry.key)
    }

    /// `session: none` only adds headers. Keys that need a session are refused beside it.
    func noSession(_ root: MapReader, _ session: inout SessionConfiguration) {
        session = SessionConfiguration()
        session.source = .unused
        if root.node("authorization") != nil {
            root.fail(
                "authorization",
                "needs a session, and session is none: the client's own goes along, unless headers has one that overwrites it"
            )
        }
        if let given = overrides.session { issues.add("needs a session, and session is none", source: given.source) }
    }

    /// Why a header of that name cannot be configured beside the session; nil if it can.
    static func problem(ofHeader name: String, _ session: SessionConfiguration) -> String? {
        if session.source != .unused, session.apply.isField(name) {
            let hint = session.apply.isAuthorization ? ". For one of your own, say session: none" : ""
            return "\(name) is the session's: squire login puts a token in it\(hint)"
        }
        if name.lowercased() == "authorization" { return nil }
        return isReserved(name) ? "\(name) belongs to the connection and cannot be configured" : nil
    }
}
