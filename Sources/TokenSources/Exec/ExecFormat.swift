public import Credentials
import Support

/// The output format of a command that provides a token. Pure.
///
/// | format | output | token | its end |
/// |---|---|---|---|
/// | `raw` | text | the first line | of the token's claims |
/// | `kubernetes` | JSON, `kind: ExecCredential` | `status.token` | `status.expirationTimestamp` |
/// | `json` | JSON | `access_token`, `accessToken`, `token`, `id_token`, or where `token:` says | `expires_in`, `expires_on`, `expiration`, `expirationTimestamp`, or where `expires-in:` or `expires-at:` says |
/// | `git` | lines of `key=value` (git-credential(1)) | `password` | `password_expiry_utc` |
/// | `docker` | JSON (docker-credential-helpers) | `Secret` | of the token's claims |
/// | `auto` | any of these | | |
///
/// `expiresOn` is not read: the Azure CLI writes it in local time without a zone.
public enum ExecFormat: String, Sendable, CaseIterable {
    case auto, raw, kubernetes, json, git, docker

    /// JSON Pointers (RFC 6901) for output without the usual member names.
    public struct Places: Equatable, Sendable {
        public var token: String?
        public var expiresIn: String?
        public var expiresAt: String?

        public init() {}
    }

    /// A token, and its remaining lifetime in seconds if the output contains that.
    public struct Found: Equatable, Sendable {
        public var token: Token
        public var expiresIn: Int?
    }

    /// Why the output is useless, as the rest of a sentence that begins with the command. Contains nothing of the
    /// output.
    public struct Problem: Error, Equatable, Sendable {
        public var text: String

        init(_ text: String) {
            self.text = text
        }
    }

    /// Finds the token in a command's output. `wall` is the current time, in seconds since 1970.
    public func find(in output: [UInt8], _ places: Places = Places(), wall: Int) throws(Problem) -> Found {
        let output = output.starts(with: [0xEF, 0xBB, 0xBF]) ? output.dropFirst(3) : output[...]
        guard let first = output.first(where: { $0 > 0x20 }) else { throw Problem("prints nothing") }
        switch self {
        case .raw: return try Self.line(output)
        case .git: return try Self.lines(output, wall: wall)
        case .kubernetes: return try Self.kubernetes(try Self.json(output), wall: wall)
        case .docker: return try Self.docker(try Self.json(output))
        case .json: return try Self.json(try Self.json(output), places, wall: wall)
        case .auto:
            if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                return try Self.anyJSON(try Self.json(output), places, wall: wall)
            }
            return Self.members(output).contains { $0.name == "password" || $0.name == "quit" }
                ? try Self.lines(output, wall: wall) : try Self.line(output)
        }
    }

    // MARK: JSON

    private static func json(_ output: ArraySlice<UInt8>) throws(Problem) -> JSONValue {
        guard let value = JSONValue(parsing: output) else { throw Problem("prints JSON that is cut or broken") }
        guard case .object = value else { throw Problem("prints JSON that is no object") }
        return value
    }

    private static func anyJSON(_ value: JSONValue, _ places: Places, wall: Int) throws(Problem) -> Found {
        if value["kind"]?.string == "ExecCredential" { return try kubernetes(value, wall: wall) }
        let isUsual = names.contains { value[$0] != nil }
        return value["Secret"] != nil && !isUsual ? try docker(value) : try json(value, places, wall: wall)
    }

    /// client.authentication.k8s.io: a client certificate cannot be used.
    private static func kubernetes(_ value: JSONValue, wall: Int) throws(Problem) -> Found {
        guard value["kind"]?.string == "ExecCredential" else { throw Problem("prints JSON that is no ExecCredential") }
        let status = value["status"] ?? .null
        if status["clientCertificateData"].isThere || status["clientKeyData"].isThere {
            throw Problem("prints a client certificate, which is not a bearer token")
        }
        return Found(
            token: try token(status["token"], at: "/status/token"),
            expiresIn: ExpiryReader.remaining(status["expirationTimestamp"], wall: wall)
        )
    }

    private static let names = ["access_token", "accessToken", "token", "id_token"]
    private static let endNames = ["expires_on", "expiration", "expirationTimestamp"]

    private static func json(_ value: JSONValue, _ places: Places, wall: Int) throws(Problem) -> Found {
        var expiresIn = ExpiryReader.lifetime(
            in: value,
            expiresIn: places.expiresIn.map { .init($0) },
            expiresAt: places.expiresAt,
            wall: wall
        )
        if let pointer = places.token {
            return Found(token: try token(value.value(at: pointer), at: pointer), expiresIn: expiresIn)
        }
        try refuseOtherCredentials(value)
        guard let name = names.first(where: { value[$0].isThere }) else {
            throw Problem("prints JSON without a token: \(names.joined(separator: ", ")) are looked for")
        }
        if places.expiresIn == nil, places.expiresAt == nil {
            expiresIn = ExpiryReader.span(value["expires_in"])
            for name in endNames where expiresIn == nil {
                expiresIn = ExpiryReader.remaining(value[name], wall: wall)
            }
        }
        return Found(token: try token(value[name], at: "/\(name)"), expiresIn: expiresIn)
    }

    /// AWS's `credential_process` and Security Token Service print keys that sign requests, not tokens.
    private static func refuseOtherCredentials(_ value: JSONValue) throws(Problem) {
        let inner = value["Credentials"] ?? .null
        if value["SecretAccessKey"].isThere || value["AccessKeyId"].isThere || inner["SecretAccessKey"].isThere {
            throw Problem("prints AWS credentials, and AWS credentials are not a bearer token")
        }
    }

    private static func docker(_ value: JSONValue) throws(Problem) -> Found {
        Found(token: try token(value["Secret"], at: "/Secret"), expiresIn: nil)
    }

    // MARK: Text

    private static func line(_ output: ArraySlice<UInt8>) throws(Problem) -> Found {
        let line = output.prefix { $0 != UInt8(ascii: "\n") }
        return Found(
            token: try token(.string(try text(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)), at: nil),
            expiresIn: nil
        )
    }

    private static func lines(_ output: ArraySlice<UInt8>, wall: Int) throws(Problem) -> Found {
        let members = members(output)
        guard let password = members.last(where: { $0.name == "password" }) else {
            guard members.contains(where: { $0.name == "quit" }) else {
                throw Problem("prints no line that begins with password=")
            }
            throw Problem("says that it has no credential (quit)")
        }
        let end = members.last { $0.name == "password_expiry_utc" }
        return Found(
            token: try token(.string(try text(password.value)), at: nil),
            expiresIn: end.flatMap {
                ExpiryReader.remaining(.string(String(decoding: $0.value, as: UTF8.self)), wall: wall)
            }
        )
    }

    /// The `key=value` lines.
    private static func members(_ output: ArraySlice<UInt8>) -> [(name: String, value: ArraySlice<UInt8>)] {
        output.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let value = line[(equals + 1)...]
            return (
                String(decoding: line[..<equals], as: UTF8.self),
                value.last == UInt8(ascii: "\r") ? value.dropLast() : value
            )
        }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(Problem) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem("prints what is not UTF-8 text")
        }
        return text
    }

    /// `place` is used in messages.
    private static func token(_ value: JSONValue?, at place: String?) throws(Problem) -> Token {
        let place = place.map { " at \($0)" } ?? ""
        let token: Token?
        do throws(TokenProblem) {
            token = try Token.text(value).map(Token.init(issued:))
        } catch {
            throw Problem("prints something that is no token\(place): \(error)")
        }
        guard let token else { throw Problem("prints no token\(place)") }
        return token
    }
}

extension JSONValue? {
    /// Whether the member has a meaningful value.
    fileprivate var isThere: Bool {
        switch self {
        case nil, .null, .string(""): false
        default: true
        }
    }
}
