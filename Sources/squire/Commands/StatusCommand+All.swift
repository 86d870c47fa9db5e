import Credentials
import Platform
import Settings
import Support

/// `squire status --all`: the sessions of this user under all configurations.
extension StatusCommand {
    static func printAll(json: Bool) {
        let rows = SessionFiles(environment: Environment.all).list().map { Row($0, now: SystemClock().wall()) }
        if json { return Output.json(.array(rows.map(\.json))) }
        // For a person. Programs read one session from each line.
        if !rows.isEmpty, isatty(1) == 1 { Output.row(Row.heading) }
        for row in rows { Output.row(row.values) }
        if rows.isEmpty { Output.error("there is no session yet") }
    }

    private struct Row {
        /// A value of `session.state`, or `damaged`.
        let state: String
        /// The API is known to refuse the token.
        var isRejected = false
        let file: String
        var record: SessionRecord?
        var problem: String?
        let expiresIn: Int?

        init(_ entry: SessionFiles.Entry, now: Int) {
            file = entry.file
            switch entry.content {
            case .damaged(let reason):
                state = "damaged"
                problem = reason
                expiresIn = nil
            case .session(let record):
                self.record = record
                expiresIn = record.expiresAt.map { $0 - now }
                let known = record.state(now: now)
                (state, isRejected) = (known.state.rawValue, known.isRejected)
            }
        }

        static let heading = ["STATE", "CUSTOMER", "API", "CONFIGURATION", "SESSION FILE"]

        private var subject: String? { record?.token?.claims?.subject }

        var values: [String] {
            [
                state == "usable" && isRejected ? "rejected" : state, subject, record?.origin, record?.configuration,
                file,
            ].map { $0 ?? "-" }
        }

        var json: JSONValue {
            let text = { (value: String?) in value.map(JSONValue.string) ?? .null }
            return .object([
                .init("state", .string(state)), .init("subject", text(subject)), .init("origin", text(record?.origin)),
                .init("configuration", text(record?.configuration)), .init("file", .string(file)),
                .init("expires_at", record?.expiresAt.map(JSONValue.integer) ?? .null),
                .init("expires_in", expiresIn.map(JSONValue.integer) ?? .null), .init("rejected", .bool(isRejected)),
                .init("problem", text(problem)),
            ])
        }
    }
}
