import EventIO
import HTTP1
import ReverseProxy
import Settings

/// Any text is a configuration or an error that names a line; what is accepted keeps the promises that the data path
/// relies on.
enum ConfigurationInvariants {
    static func check(_ bytes: [UInt8]) throws {
        let loader = ConfigurationLoader(environment: ["HOME": "/nonexistent"])
        do {
            let configuration = try loader.read(
                String(decoding: bytes, as: UTF8.self),
                path: "/nonexistent/squire.yaml"
            )
            .configuration
            try checkAccepted(configuration)
        } catch let error as ConfigurationError {
            try require(!error.issues.isEmpty, "refused without a reason")
            let lines = bytes.count + 1
            for issue in error.issues {
                try require((1...lines).contains(issue.line ?? 1), "a mistake in a line that is not there")
            }
            let shown = error.description.unicodeScalars
            try require(
                shown.allSatisfy { $0.value >= 0x20 || $0 == "\n" } && !shown.contains("\u{7F}"),
                "a mistake that acts on a terminal"
            )
        }
    }

    private static func checkAccepted(_ configuration: ProxyConfiguration) throws {
        for rule in configuration.headers {
            try require(rule.name.utf8.allSatisfy(Octet.isToken) && !rule.name.isEmpty, "a header name is no token")
            try require(rule.value.utf8.allSatisfy(Octet.isFieldContent), "a header value could end its line")
        }
        try require(
            configuration.headers.count <= HeaderPolicy.maxRules,
            "more headers than the policy can hold"
        )
        try require(configuration.limits.head > 0 && configuration.limits.connections > 0, "a limit of nothing")
        let isRemote = configuration.listen.contains { !$0.isLocal }
        try require(
            !isRemote || configuration.access.allowRemote && configuration.access.key != nil,
            "open to other machines without being asked to"
        )
    }
}
