/// A JSON Pointer (RFC 6901).
public enum JSONPointer {
    /// The names of members and the indices of elements on the way, unescaped; empty for the whole text, nil if the
    /// pointer does not begin with a slash.
    public static func steps(of pointer: String) -> [String]? {
        guard !pointer.isEmpty else { return [] }
        guard pointer.hasPrefix("/") else { return nil }
        return pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { step in
            guard step.utf8.contains(UInt8(ascii: "~")) else { return String(step) }
            return String(step).replacingAll("~1", with: "/").replacingAll("~0", with: "~")
        }
    }

    /// One step in the spelling of a pointer.
    public static func escaped(_ step: String) -> String {
        guard step.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else { return step }
        return step.replacingAll("~", with: "~0").replacingAll("/", with: "~1")
    }
}
