import Platform
import Threads
import Upstream

/// Fetches an authorization server's metadata when they are needed, and keeps them for a day.
///
/// *Threading*: any thread that may wait.
final class Discovery: Sendable {
    /// As it is configured.
    private let issuer: String
    private let kept = Guarded<Kept?>(nil)

    private struct Kept: Sendable {
        var metadata: ServerMetadata
        /// Nanoseconds on the session's clock.
        var at: Int64
    }

    private static let day: Int64 = 86_400 * 1_000_000_000
    /// How long what was kept serves when it cannot be fetched again.
    private static let pause: Int64 = 300 * 1_000_000_000
    /// A larger document is no metadata.
    static let maxBytes = 256 * 1024

    init(issuer: String) {
        self.issuer = issuer
    }

    /// `fetch` sends GET to a URL. `now` is in nanoseconds on a clock that never jumps.
    func metadata(
        now: Int64,
        _ fetch: (EndpointURL) -> OAuthServices.Reply
    ) throws(EndpointFailure) -> ServerMetadata {
        let before = kept.with { $0 }
        if let before, now.subtracting(saturating: before.at) < Self.day { return before.metadata }
        let metadata: ServerMetadata
        do throws(EndpointFailure) {
            metadata = try look(fetch)
        } catch {
            guard let before else { throw error }
            // What it said is better than nothing; it is asked again after a while.
            kept.with { $0?.at = now.subtracting(saturating: Self.day - Self.pause) }
            return before.metadata
        }
        kept.with { $0 = Kept(metadata: metadata, at: now) }
        return metadata
    }

    /// Where the first place has none, the next is tried; what names another issuer is nobody's (RFC 8414 section 3.3).
    private func look(_ fetch: (EndpointURL) -> OAuthServices.Reply) throws(EndpointFailure) -> ServerMetadata {
        let url: EndpointURL
        do throws(EndpointURL.Problem) {
            url = try EndpointURL(issuer)
        } catch {
            throw .misconfigured("session.oauth.issuer \(error)")
        }
        var another: String?
        var found: [String] = []
        var passing: EndpointFailure?
        for text in ServerMetadata.places(of: url) {
            guard let place = try? EndpointURL(text) else { continue }
            switch fetch(place) {
            case .failure(let failure):
                passing = EndpointFailure(failure, of: "metadata of \(issuer)")
                if let passing, case .unreachable = passing { throw passing }
            case .success(let response):
                if response.status == 200, let metadata = ServerMetadata(response.body) {
                    if metadata.issuer == issuer { return metadata }
                    another = another ?? metadata.issuer
                }
                found.append("\(place.path) \(Self.said(response))")
                if Self.isPassing(response.status) {
                    passing = .unavailable("metadata of \(issuer): status \(response.status)")
                }
            }
        }
        if let another {
            throw .misconfigured(
                "the metadata of \(issuer) name another issuer, \(QuotedText.quoted(another, hiding: [])): "
                    + "session.oauth.issuer must say the same, to the letter"
            )
        }
        if let passing { throw passing }
        throw .misconfigured(
            "\(issuer) has no metadata (\(found.joined(separator: ", "))): "
                + "see session.oauth.issuer, or name session.oauth.token-endpoint"
        )
    }

    private static func said(_ response: BlockingRequest.Response) -> String {
        guard (300..<400).contains(response.status) else {
            return response.status == 200 ? "is no metadata" : "answers \(response.status)"
        }
        let place = response["Location"].flatMap { try? EndpointURL($0) }.map(\.origin) ?? "another place"
        return "leads to \(place), and is not followed"
    }

    /// A server that has none says so in these ways; anything else may pass.
    private static func isPassing(_ status: Int) -> Bool {
        !(200..<400).contains(status) && ![400, 401, 404, 405, 410].contains(status)
    }
}
