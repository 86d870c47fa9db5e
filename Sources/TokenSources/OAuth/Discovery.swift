import Platform
import Threads
import Upstream

/// Fetches an authorization server's metadata on demand (RFC 8414), and caches them for a day.
///
/// *Threading*: any thread that may block.
final class Discovery: Sendable {
    /// The issuer identifier as configured.
    private let issuer: String
    private let kept = Guarded<Kept?>(nil)

    private struct Kept: Sendable {
        var metadata: ServerMetadata
        /// Nanoseconds on the session's clock.
        var at: Int64
    }

    private static let day: Int64 = 86_400 * 1_000_000_000
    /// How long cached metadata are used after a failure to fetch them again, in nanoseconds.
    private static let pause: Int64 = 300 * 1_000_000_000
    /// Larger documents are refused.
    static let maxBytes = 256 * 1024

    init(issuer: String) {
        self.issuer = issuer
    }

    /// `fetch` sends a GET to a URL. `now` is in nanoseconds on a monotonic clock.
    func metadata(
        now: Int64,
        _ fetch: (EndpointURL) -> BlockingRequest.Outcome
    ) throws(EndpointFailure) -> ServerMetadata {
        let before = kept.with { $0 }
        if let before, now.subtracting(saturating: before.at) < Self.day { return before.metadata }
        let metadata: ServerMetadata
        do throws(EndpointFailure) {
            metadata = try look(fetch)
        } catch {
            guard let before else { throw error }
            // The cached metadata are better than none; they are fetched again after a pause.
            kept.with { $0?.at = now.subtracting(saturating: Self.day - Self.pause) }
            return before.metadata
        }
        kept.with { $0 = Kept(metadata: metadata, at: now) }
        return metadata
    }

    /// If one place has no metadata, the next is tried. Metadata that name another issuer are not used (RFC 8414
    /// section 3.3).
    private func look(_ fetch: (EndpointURL) -> BlockingRequest.Outcome) throws(EndpointFailure) -> ServerMetadata {
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

    /// Whether a failure with that status may be temporary: servers without metadata answer in the other ways.
    private static func isPassing(_ status: Int) -> Bool {
        !(200..<400).contains(status) && ![400, 401, 404, 405, 410].contains(status)
    }
}
