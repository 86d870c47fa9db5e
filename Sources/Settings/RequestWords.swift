import HTTP1

/// Advice about a request that a person has typed as two words, a method and a target.
public enum RequestWords {
    private static let example = "squire explain GET /api/venues"

    /// What is wrong with them, or was probably meant; nil if nothing is known.
    public static func advice(method: String, target: String) -> String? {
        let (isBlank, isTargetBlank) = (method.allSatisfy { $0 == " " }, target.allSatisfy { $0 == " " })
        if isBlank || isTargetBlank {
            let what = isBlank ? (isTargetBlank ? "method and target are" : "the method is") : "the target is"
            return "\(what) empty: \(isBlank && !isTargetBlank ? line("GET", target) : example)"
        }
        // The two words are swapped, or the method is missing.
        if method.hasPrefix("/") || method.contains("://") {
            let isMethod = RegisteredMethod.problem(target.uppercased()) == nil
            return "the method comes first: \(line(isMethod ? target.uppercased() : "GET", method))"
        }
        if !method.utf8.allSatisfy({ Octet.isToken($0) }) {
            return "a method is one word, such as GET: \(line("GET", target))"
        }
        guard !target.hasPrefix("/"), !target.contains("://"), target != "*",
            target.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        return "a leading / is missing: \(line(method, "/" + target))"
    }

    /// A valid method that was probably not meant: methods are case-sensitive (RFC 9110, section 9.1).
    public static func doubt(method: String) -> String? {
        let usual = method.uppercased()
        guard usual != method, RegisteredMethod.problem(usual) == nil else { return nil }
        return "Methods are case-sensitive, and \(method) is not \(usual): did you mean \(usual)?"
    }

    private static func line(_ method: String, _ target: String) -> String {
        "squire explain \(CommandLines.quoted(method)) \(CommandLines.quoted(target))"
    }
}
