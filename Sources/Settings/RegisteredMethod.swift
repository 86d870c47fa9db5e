/// The registered request methods (IANA's HTTP Method Registry) that consist of letters.
enum RegisteredMethod {
    private static let names = [
        "ACL", "BIND", "CHECKIN", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LABEL", "LINK", "LOCK",
        "MERGE",
        "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "OPTIONS", "ORDERPATCH", "PATCH",
        "POST", "PRI", "PROPFIND", "PROPPATCH", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH", "TRACE", "UNBIND",
        "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF",
    ]
    private static let usual = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    /// Why a name is not a method; nil if it is.
    static func problem(_ name: String) -> String? {
        guard !names.contains(name) else { return nil }
        let nearest = Spelling.nearest(to: name, among: usual) ?? Spelling.nearest(to: name, among: names)
        return "\(name) is none" + Suggestion.question(nearest)
    }
}
