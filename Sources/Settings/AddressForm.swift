public import EventIO
import ReverseProxy

extension ListenAddress {
    /// Parses an address from an option or variable: `~` at the start of a socket's path is the home directory.
    public init?(_ text: String, expanding environment: [String: String]) {
        guard let address = AddressForm.address(text) else { return nil }
        guard case .unix(let path) = address else {
            self = address
            return
        }
        self = .unix(path: TextFile.expand(path, in: ".", environment: environment))
    }

    /// Why the text is not an address, as the rest of a sentence that begins with the option's name; nil if it is one.
    public static func problem(_ text: String) -> String? { AddressForm.problem(text, AddressForm.listen) }
}

/// The spellings of addresses, for messages.
enum AddressForm {
    static let listen = "must be HOST:PORT (port 0 picks a free one), a port or unix:PATH"
    static let inspector = "must be HOST:PORT, a port, unix:PATH or \"off\""

    /// YAML 1.1 reads a bare `off` as false.
    static func isOff(_ text: String) -> Bool { ["off", "false", "no"].contains(text) }

    /// The address; nil if the text is not one.
    static func address(_ text: String) -> ListenAddress? {
        problem(text, listen) == nil ? ListenAddress(text) : nil
    }

    /// Why the text is not an address, as the rest of a sentence that begins with the setting's name; nil if it is one.
    static func problem(_ text: String, _ form: String) -> String? {
        switch ListenAddress(text) {
        case .unix(let path)?: return TextFile.problem(spelling: path).map { "names a path that \($0)" }
        case .tcp?: return nil
        case nil: break
        }
        return "\(form), not \"\(text)\"" + Suggestion.question(nearest(to: text))
    }

    /// Why an address with an absolute path cannot be used, as the rest of a sentence that begins with the setting's
    /// name; nil if it can.
    static func problem(_ address: ListenAddress) -> String? {
        guard case .unix(let path) = address, path.utf8.count > UnixSpelling.maxPath else { return nil }
        return "names a path of \(path.utf8.count) bytes, and a Unix socket's has \(UnixSpelling.maxPath) at most"
    }

    /// The address that was probably meant by a URL, `:8080`, a host without a port, or a path; nil if there is none.
    static func nearest(to text: String) -> String? {
        guard ListenAddress(text) == nil, !text.isEmpty else { return nil }
        if ["/", "./", "../", "~/"].contains(where: text.hasPrefix) { return UnixSpelling.text(text) }
        var rest = Substring(text)
        for scheme in ["http://", "https://", "tcp://"] where rest.lowercased().hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            break
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if rest.hasPrefix(":"), !rest.hasPrefix("::") { rest = rest.dropFirst() }
        if ListenAddress(String(rest)) != nil { return String(rest) }
        // An address of IPv6 without its brackets, and a port.
        if rest.filter({ $0 == ":" }).count > 1, !rest.contains("["), let colon = rest.lastIndex(of: ":") {
            let bracketed = "[\(rest[..<colon])]:\(rest[rest.index(after: colon)...])"
            return ListenAddress(bracketed) != nil ? bracketed : nil
        }
        // Only a host: a single word could be anything.
        let isHost = rest.contains(".") || rest.contains(":") || rest.lowercased() == "localhost"
        let whole = "\(rest):8080"
        return isHost && ListenAddress(whole) != nil ? whole : nil
    }
}
