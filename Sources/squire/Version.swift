import CVersion
import EventIO
import Inspector
import Upstream

/// The versions of Squire and of the libraries that it runs with.
enum Version {
    static let number = "0.1.0"

    static var build: BuildInfo {
        BuildInfo(
            version: number,
            details: [
                ("commit", String(cString: cversion_commit())), ("libcurl", CurlLibrary.version),
                ("OpenSSL", CurlLibrary.tlsVersion), ("libevent", EventLibrary.version),
            ]
        )
    }

    /// The output of `squire --version`.
    static var text: String {
        let build = build
        return (["squire \(build.version)"] + build.details.map { "\($0.name) \($0.value)" }).joined(separator: "\n")
    }
}
