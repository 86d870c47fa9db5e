/// A JSON Pointer (RFC 6901).
public enum JSONPointer {
    /// The names of members and the indices of elements on the way, unescaped; empty for the whole text, nil if the
    /// pointer does not begin with a slash.
    public static func steps(of pointer: String) -> [String]? {
        guard !pointer.isEmpty else { return [] }
        // By octets: a mark that combines with a slash does not hide it.
        guard pointer.utf8.first == UInt8(ascii: "/") else { return nil }
        let steps = pointer.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return steps.map { step in
            let text = String(Substring(step))
            guard text.utf8.contains(UInt8(ascii: "~")) else { return text }
            return text.replacingAll("~1", with: "/").replacingAll("~0", with: "~")
        }
    }

    /// One step in the spelling of a pointer.
    public static func escaped(_ step: String) -> String {
        guard step.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else { return step }
        return step.replacingAll("~", with: "~0").replacingAll("/", with: "~1")
    }
}
