import HTTP1

/// Which members and parameters hold secrets, by their names.
public enum SecretName {
    /// Of members of a body: exact, since `code` is in every answer of some APIs.
    private static let members = [
        "password", "passwd", "pwd", "secret", "clientsecret", "token", "accesstoken", "refreshtoken", "idtoken",
        "apikey", "authorization", "passwordlesscode", "otp", "cvv", "cardnumber", "pass", "passphrase", "passcode",
        "pin", "jwt",
    ].map(ending)
    private static let endings = ["password", "secret", "token"].map { (ending($0), ending(of: $0.utf8.count)) }
    /// Of a parameter's name, whole.
    private static let parameters: Set<String> = [
        "key", "auth", "code", "sig", "accesskey", "secretkey", "privatekey", "subscriptionkey", "sessionid",
        "jsessionid", "phpsessid", "sid",
    ]
    /// One of a parameter's name's parts.
    private static let parts: Set<String> = [
        "token", "secret", "password", "passwd", "pwd", "apikey", "auth", "authorization", "signature", "session",
        "jwt", "credential",
    ]
    /// Whether the member of that name, of JSON, a form or a multipart body, is secret. Case, `-` and `_` do not count;
    /// of `user[password]`, `password[0]` and `token[value]` each part counts: what is below a secret is one.
    public static func isMember(_ name: some BidirectionalCollection<UInt8>) -> Bool {
        guard name.last == UInt8(ascii: "]") else { return isPart(name) }
        return name.split(separator: UInt8(ascii: "[")).contains { part in
            isPart(part.prefix { $0 != UInt8(ascii: "]") })
        }
    }

    private static func isPart(_ name: some BidirectionalCollection<UInt8>) -> Bool {
        // Its last octets, the last one lowest: they decide.
        var folded: UInt128 = 0
        var count = 0
        for octet in name.reversed() where octet != UInt8(ascii: "-") && octet != UInt8(ascii: "_") {
            guard count < longest else {
                count += 1
                break
            }
            folded |= UInt128(Octet.lowercase(octet)) << UInt128(8 * count)
            count += 1
        }
        if endings.contains(where: { folded & $0.1 == $0.0 }) { return true }
        return count <= longest && members.contains(folded)
    }

    /// Octets that decide about a name.
    private static let longest = 16

    private static func ending(_ text: String) -> UInt128 {
        text.utf8.reduce(0) { $0 << 8 | UInt128($1) }
    }

    private static func ending(of length: Int) -> UInt128 { UInt128.max >> UInt128(128 - 8 * length) }

    /// Whether the parameter of that name, of a query or a path, is secret: more are than in bodies, since a target is
    /// no place for data of that name.
    static func isParameter(_ name: some BidirectionalCollection<UInt8>) -> Bool {
        if isMember(name) { return true }
        guard name.count <= 128 else { return false }
        let separators = Set("-_.[]".utf8)
        let parts = name.split(whereSeparator: separators.contains).map { part in
            String(decoding: part.map(Octet.lowercase), as: UTF8.self)
        }
        return parts.contains(where: Self.parts.contains) || parameters.contains(parts.joined())
    }
}
