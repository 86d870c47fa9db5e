/// A preset for an API: a built-in configuration in the user's own syntax. A configuration that names it is laid over
/// it.
public struct Profile: Sendable {
    public let name: String
    /// What it is for, in one phrase.
    public let summary: String
    /// The configuration, as `squire profile NAME` prints it.
    public let text: String

    /// All of them, in the order they are listed in.
    public static let all: [Profile] = [
        .menu, .google, .entra, .okta, .auth0, .keycloak, .github, .gitlab, .salesforce, .zoom, .quickbooks, .xero,
        .hubspot, .slack, .atlassian, .spotify, .dropbox, .fitbit, .strava, .shopify, .amazonSellingPartner, .ebay,
        .zoho,
    ]

    public static let names = all.map(\.name)

    /// The one of that name; nil if there is none.
    public static func named(_ name: String) -> Profile? { all.first { $0.name == name } }

    /// What a name that is none should have been, as the end of a sentence about it.
    public static func hint(for name: String) -> String {
        Spelling.nearest(to: name, among: names).map { ": did you mean \"\($0)\"?" }
            ?? "; known are \(names.joined(separator: ", "))"
    }
}
