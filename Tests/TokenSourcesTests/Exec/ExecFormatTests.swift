import Credentials
import Testing

@testable import TokenSources

/// What commands print, and what is made of it.
@Suite struct ExecFormatTests {
    // 2026-11-24 10:00:00 UTC
    private static let now = 1_795_514_400

    private static func found(
        _ output: String,
        _ format: ExecFormat = .auto,
        _ places: ExecFormat.Places = .init()
    )
        -> (token: String, expiresIn: Int?)?
    {
        (try? format.find(in: Array(output.utf8), places, wall: now)).map { ($0.token.value, $0.expiresIn) }
    }

    private static func problem(
        _ output: String,
        _ format: ExecFormat = .auto,
        _ places: ExecFormat.Places = .init()
    )
        -> String?
    {
        do throws(ExecFormat.Problem) {
            _ = try format.find(in: Array(output.utf8), places, wall: now)
            return nil
        } catch {
            return error.text
        }
    }

    private static let credential =
        #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":"#

    @Test(
        "The form is told by the output",
        arguments: [
            ("tok\n", "tok", nil), ("tok", "tok", nil), ("tok\r\nmore\n", "tok", nil), ("\u{FEFF}tok\n", "tok", nil),
            ("ya29.a0A!|^#x\n", "ya29.a0A!|^#x", nil),
            (credential + #"{"token":"k8s"}}"#, "k8s", nil),
            (credential + #"{"token":"k8s","expirationTimestamp":"2026-11-24T10:10:00Z"}}"#, "k8s", 600),
            (#"{"access_token":"a","expires_in":3599,"token_type":"Bearer"}"#, "a", 3599),
            (#"{"access_token":"a","expires_in":"60"}"#, "a", 60),
            (#"{"accessToken":"az","expiresOn":"2026-11-24 23:10:00.000000","expires_on":1795515000}"#, "az", 600),
            (#"{"accessToken":"az","expiresOn":"2026-11-24 23:10:00.000000"}"#, "az", nil),
            (#"  {"token":"t","expiration":"2026-11-24T10:01:00Z"}"#, "t", 60),
            (#"{"id_token":"i","expirationTimestamp":1795514460}"#, "i", 60),
            (#"{"id_token":"i","access_token":"a"}"#, "a", nil), (#"{"access_token":null,"token":"t"}"#, "t", nil),
            (#"{"ServerURL":"https://x","Username":"u","Secret":"s3cret"}"#, "s3cret", nil),
            ("protocol=https\nhost=x\nusername=u\npassword=p\n", "p", nil),
            ("username=u\npassword=p=q==\r\npassword_expiry_utc=1795514700\n", "p=q==", 300),
            ("password=p\npassword_expiry_utc=soon\n", "p", nil), ("key=value\n", "key=value", nil),
        ] as [(String, String, Int?)]
    ) func auto(_ output: String, _ token: String, _ expiresIn: Int?) {
        let found = Self.found(output)
        #expect(found?.token == token)
        #expect(found?.expiresIn == expiresIn)
    }

    @Test(
        "What is said and is no bearer token is refused with the reason",
        arguments: [
            ("", "nothing"), (" \n\t\n", "nothing"), ("two words\n", "a blank"), ("a'b\n", "'"), ("a`b\n", "`"),
            ("a\\b\n", "\\"), ("a$b\n", "$"), ("a\"b\n", "quotation mark"), ("a\0b\n", "zero byte"),
            ("\nx\n", "no token"),
            ("t\u{F6}k\n", "U+00F6"), (#"{"access_token":"a""#, "cut or broken"), ("{}", "without a token"),
            ("[1]", "no object"), (#"{"token":5}"#, "no token at /token"), (#"{"token":""}"#, "without a token"),
            (#"{"token":"a b"}"#, "a blank"),
            (credential + #"{"clientCertificateData":"x","clientKeyData":"y"}}"#, "client certificate"),
            (credential + #"{"token":"t","clientCertificateData":"x"}}"#, "client certificate"),
            (credential + "{}}", "no token at /status/token"), (#"{"kind":"ExecCredential"}"#, "no token"),
            (
                #"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"T"}"#,
                "AWS credentials are not a bearer token"
            ),
            (#"{"Credentials":{"AccessKeyId":"A","SecretAccessKey":"S"}}"#, "AWS credentials are not a bearer token"),
            ("password=\n", "no token"), ("quit=1\n", "no credential"), ("url=x\nquit=true\n", "no credential"),
        ]
    ) func refused(_ output: String, _ reason: String) {
        let problem = Self.problem(output)
        #expect(problem?.contains(reason) == true, "\(problem ?? "none")")
    }

    @Test(
        "A format that was named is the only one",
        arguments: [
            (ExecFormat.raw, "password=p\n", "password=p"), (.git, "password=p\n", "p"), (.git, "tok\n", nil),
            (.kubernetes, #"{"token":"t"}"#, nil), (.docker, #"{"Secret":"s"}"#, "s"),
            (.docker, #"{"token":"t"}"#, nil),
            (.json, #"{"token":"t"}"#, "t"), (.json, "tok\n", nil), (.kubernetes, "tok\n", nil),
            (.raw, #"{"token":"t"}"#, nil),
        ] as [(ExecFormat, String, String?)]
    ) func named(_ format: ExecFormat, _ output: String, _ token: String?) {
        #expect(Self.found(output, format)?.token == token)
    }

    @Test func placesInJSONAreSaid() {
        var places = ExecFormat.Places()
        places.token = "/credential/access_token"
        places.expiresAt = "/credential/token_expiry"
        let output = #"{"access_token":"no","credential":{"access_token":"y","token_expiry":"2026-11-24T10:02:00Z"}}"#
        let found = Self.found(output, .json, places)
        #expect(found?.token == "y" && found?.expiresIn == 120)
        #expect(Self.problem("{}", .json, places) == "prints no token at /credential/access_token")
        let number = Self.problem(#"{"credential":{"access_token":5}}"#, .json, places)
        #expect(number == "prints something that is no token at /credential/access_token: it is no text")
    }

    @Test func problemsHoldNothingOfTheOutput() {
        let secret = "hunter2hunter2"
        for output in [
            "\(secret) x", #"{"token":"\#(secret) x"}"#, #"{"\#(secret)":1}"#, "{\(secret)", "[\"\(secret)\"]",
        ] {
            #expect(Self.problem(output)?.contains(secret) == false)
        }
    }
}
