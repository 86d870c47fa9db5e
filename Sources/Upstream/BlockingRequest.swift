internal import CCurl
import Inflation
public import Threads

/// A whole request and its whole response, for the control path: refresh, sign-in, checks.
///
/// Blocking, on libcurl's own HTTP engine and a connection of its own that is not kept: libcurl must never resend a
/// credential request by itself, and it resends only on reused connections. Call from a thread that may block.
public struct BlockingRequest: Sendable {
    public var method: String
    /// An absolute URL, `https://host/path`.
    public var url: String
    /// Sent unchanged, in order.
    public var fields: [(name: String, value: String)]
    public var body: [UInt8]?
    public var timeout: Duration
    /// Larger responses are refused.
    public var maximumResponseBytes = 1 << 20
    /// Asked once there is a connection, right before the first byte leaves; false gives the request up. Nil means yes.
    public var maySend: (@Sendable () -> Bool)?

    public init(
        method: String,
        url: String,
        fields: [(name: String, value: String)],
        body: [UInt8]? = nil,
        timeout: Duration
    ) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
        self.timeout = timeout
    }

    public struct Response: Sendable {
        public var status: Int
        public var fields: [(name: String, value: String)]
        /// Decompressed if it was compressed, whatever Content-Encoding says; at most `maximumResponseBytes` of it.
        public var body: [UInt8]

        public init(status: Int, fields: [(name: String, value: String)], body: [UInt8]) {
            self.status = status
            self.fields = fields
            self.body = body
        }

        /// The first field with that name, ignoring case.
        public subscript(name: String) -> String? {
            fields.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    public enum Failure: Error, Sendable {
        /// No byte of the request left, so the upstream cannot have acted on it.
        case notSent(UpstreamError)
        /// At least part of it was sent, and no whole response arrived: the upstream may have acted on it. `cut` is the
        /// part of a successful one that arrived.
        case noResponse(UpstreamError, cut: Response? = nil)
    }

    /// A response, or the reason why there is none.
    public typealias Outcome = Result<Response, Failure>

    /// What is asked about each request of the process, while one of them may be something that works once and a signal
    /// may want to end the process.
    public struct Attendant: Sendable {
        /// Can be read once nothing more is to be sent: who still connects gives up. -1 for none.
        let stop: Int32
        /// Asked when there is a connection, before the first byte leaves; false gives the request up. Either way nothing
        /// was sent.
        let maySend: @Sendable () -> Bool

        public init(stop: Int32, maySend: @escaping @Sendable () -> Bool) {
            self.stop = stop
            self.maySend = maySend
        }
    }

    /// Nil in a process whose end waits for nobody's request.
    public static let attendant = Guarded<Attendant?>(nil)

    /// Sends the request and waits. Redirects are returned as responses, not followed. If a proxy refuses Basic, the
    /// request is tried once more with a method that the proxy offers: nothing of it has left by then.
    public func perform(_ settings: UpstreamSettings) throws(Failure) -> Response {
        let easy = EasyHandle()
        do throws(Failure) {
            return try perform(settings, on: easy, .atOnce)
        } catch {
            guard case .notSent = error, easy.isChallengedByProxy else { throw error }
            return try perform(settings, on: EasyHandle(), .negotiated)
        }
    }

    private func perform(
        _ settings: UpstreamSettings,
        on easy: EasyHandle,
        _ authentication: EasyHandle.ProxyAuthentication
    ) throws(Failure) -> Response {
        let sink = ResponseSink(limit: maximumResponseBytes)
        let code = perform(settings, on: easy, authentication, into: sink) { easy.transfer(within: timeout) }
        let response = response(of: easy, sink)
        guard code == CURLE_OK else {
            let error = sink.problem ?? easy.error(code)
            guard easy.hasSent, error.kind != .refusedByProxy else { throw .notSent(error) }
            throw .noResponse(error, cut: (200..<300).contains(response.status) ? response : nil)
        }
        return response
    }

    func response(of easy: EasyHandle, _ sink: ResponseSink) -> Response {
        var status = 0
        ccurl_get_long(easy.curl, CURLINFO_RESPONSE_CODE, &status)
        var response = Response(status: status, fields: sink.fields, body: sink.body)
        let coding = response["Content-Encoding"]
        response.body = ContentDecoding.decode(sink.body, coding: coding, limit: maximumResponseBytes)
        return response
    }

    /// Sets all options of the request, runs `transfer`, and returns its result; the response goes to `sink`.
    func perform(
        _ settings: UpstreamSettings,
        on easy: EasyHandle,
        _ authentication: EasyHandle.ProxyAuthentication,
        into sink: ResponseSink,
        _ transfer: () -> CURLcode
    ) -> CURLcode {
        easy.apply(settings, authentication: authentication)
        easy.watchSending(maySend)
        easy.set(CURLOPT_URL, url)
        easy.set(CURLOPT_CUSTOMREQUEST, method)
        // Otherwise libcurl waits for the body that the Content-Length of a response to HEAD announces.
        if method == "HEAD" { easy.set(CURLOPT_NOBODY, 1) }
        easy.set(CURLOPT_TIMEOUT_MS, timeout)
        easy.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        easy.set(CURLOPT_FRESH_CONNECT, 1)
        easy.set(CURLOPT_FORBID_REUSE, 1)
        easy.set(CURLOPT_FOLLOWLOCATION, 0)
        easy.set(CURLOPT_PATH_AS_IS, 1)
        ccurl_set_string(easy.curl, CURLOPT_PROTOCOLS_STR, "http,https")

        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        // "Name:" would remove one of libcurl's own fields; "Name;" sends it empty (CURLOPT_HTTPHEADER(3)).
        // libcurl would decode what it asks for, and drop the body for a coding that it does not know. So nothing is
        // asked for, whatever the configuration asks for in clients' requests.
        list = curl_slist_append(list, "Accept-Encoding: identity")
        for field in fields where field.name.lowercased() != "accept-encoding" {
            list = curl_slist_append(list, field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
        }
        let names = Set(fields.map { $0.name.lowercased() })
        for name in ["Expect", "Accept", "Content-Type"] where !names.contains(name.lowercased()) {
            list = curl_slist_append(list, "\(name):")
        }
        ccurl_set_list(easy.curl, CURLOPT_HTTPHEADER, list)

        let context = Unmanaged.passUnretained(sink).toOpaque()
        ccurl_set_write_callback(
            easy.curl,
            { bytes, size, count, context in
                Unmanaged<ResponseSink>.fromOpaque(context!).takeUnretainedValue()
                    .append(body: UnsafeRawBufferPointer(start: bytes, count: size * count))
            },
            context
        )
        ccurl_set_header_callback(
            easy.curl,
            { bytes, size, count, context in
                Unmanaged<ResponseSink>.fromOpaque(context!).takeUnretainedValue()
                    .append(line: UnsafeRawBufferPointer(start: bytes, count: size * count))
            },
            context
        )
        return withExtendedLifetime(sink) {
            guard let body else { return transfer() }
            return body.withUnsafeBytes { bytes in
                easy.set(CURLOPT_POSTFIELDSIZE, bytes.count)
                ccurl_set_bytes(easy.curl, CURLOPT_POSTFIELDS, bytes.baseAddress ?? UnsafeRawPointer(easy.curl))
                return transfer()
            }
        }
    }
}

/// Collects a response within a limit. Lives on the stack of one `perform`.
final class ResponseSink {
    private static let headLimit = 128 * 1024
    private let limit: Int
    private(set) var body: [UInt8] = []
    private(set) var fields: [(name: String, value: String)] = []
    /// The complete heads: a proxy's answer to CONNECT and interim responses first, then the final one.
    private(set) var heads: [[(name: String, value: String)]] = []
    private var headBytes = 0
    /// Why the rest of the response was refused; nil as long as it fits.
    private(set) var problem: UpstreamError?
    /// A head has begun and is not complete yet.
    private(set) var isInHead = false

    init(limit: Int) {
        self.limit = limit
    }

    /// Returning less than the given count makes libcurl fail the transfer.
    func append(body bytes: UnsafeRawBufferPointer) -> Int {
        guard body.count + bytes.count <= limit else {
            problem = UpstreamError(
                kind: .reset,
                detail: "the response is larger than the \(limit / 1024) KiB that are read of it"
            )
            return 0
        }
        body.append(contentsOf: bytes)
        return bytes.count
    }

    /// The part of the body that arrived since the last call.
    func takeBody() -> [UInt8] {
        defer { body = [] }
        return body
    }

    func append(line bytes: UnsafeRawBufferPointer) -> Int {
        headBytes += bytes.count
        guard headBytes <= Self.headLimit else {
            problem = UpstreamError(
                kind: .reset,
                detail: "the response's head is larger than \(Self.headLimit / 1024) KiB"
            )
            return 0
        }
        let line = String(decoding: bytes, as: UTF8.self).trimmingEndOfLine()
        if line.hasPrefix("HTTP/") {
            // A new head: the previous one was an interim response or the corporate proxy's own.
            fields = []
            isInHead = true
        } else if line.isEmpty {
            if isInHead { heads.append(fields) }
            isInHead = false
        } else if let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) {
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            fields.append((String(line[..<colon]), String(value)))
        }
        return bytes.count
    }
}

extension String {
    fileprivate func trimmingEndOfLine() -> String {
        String(decoding: utf8.reversed().drop { $0 <= 0x20 }.reversed(), as: UTF8.self)
    }
}
