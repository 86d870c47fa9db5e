import ReverseProxy

/// Matches exchanges against a query: `status`, `method`, `ids`, `header`, `body`. Pure.
struct ExchangeFilter {
    enum Status: Equatable {
        case equal(Int)
        /// `4xx`
        case hundred(Int)
        case less(Int), lessOrEqual(Int), greater(Int), greaterOrEqual(Int)

        func matches(_ status: Int) -> Bool {
            switch self {
            case .equal(let other): status == other
            case .hundred(let other): status / 100 == other
            case .less(let other): status < other
            case .lessOrEqual(let other): status <= other
            case .greater(let other): status > other
            case .greaterOrEqual(let other): status >= other
            }
        }

        init?(_ text: Substring) {
            let number = { (text: Substring) in
                text.count == 3 && text.utf8.allSatisfy { $0 &- 0x30 < 10 } ? Int(text) : nil
            }
            let make: (Int) -> Status
            let rest: Substring
            if text.hasPrefix(">=") {
                (make, rest) = (Status.greaterOrEqual, text.dropFirst(2))
            } else if text.hasPrefix("<=") {
                (make, rest) = (Status.lessOrEqual, text.dropFirst(2))
            } else if text.hasPrefix(">") {
                (make, rest) = (Status.greater, text.dropFirst())
            } else if text.hasPrefix("<") {
                (make, rest) = (Status.less, text.dropFirst())
            } else if text.lowercased().hasSuffix("xx") {
                guard text.utf8.count == 3, let digit = text.first?.wholeNumberValue, (1...5).contains(digit) else {
                    return nil
                }
                self = .hundred(digit)
                return
            } else {
                (make, rest) = (Status.equal, text)
            }
            guard let value = number(rest) else { return nil }
            self = make(value)
        }
    }

    /// How much was searched for `body`.
    struct Searched: Equatable {
        /// The number of bodies.
        var searched = 0
        /// The number of those that are stored only in part.
        var cut = 0
        /// The number of bodies that are not stored because they cannot be decoded.
        var unreadable = 0
    }

    var statuses: [Status] = []
    /// In upper case.
    var methods: [String] = []
    /// Nil matches any.
    var ids: Set<ExchangeID>?
    var header: (name: String, part: [UInt8]?)?
    var body: TextSearch?

    /// The maximum number of octets of a searched text.
    static let maximumText = 256

    /// Nil if the query has an invalid status or a text that is too long.
    init?(_ query: QueryItems) {
        for text in query["status"].map({ $0.split(separator: ",", omittingEmptySubsequences: false) }) ?? [] {
            guard let status = Status(text) else { return nil }
            statuses.append(status)
        }
        for name in ["header", "body"] where query[name]?.utf8.count ?? 0 > Self.maximumText { return nil }
        methods = (query["method"] ?? "").split(separator: ",").map { $0.uppercased() }
        ids = query["ids"].map { Set($0.split(separator: ",").compactMap { ExchangeID($0) }) }
        if let text = query["header"], !text.isEmpty {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let part = parts.count > 1 ? Array(parts[1].utf8).lowercasedASCII : nil
            header = (parts[0].lowercased(), part)
        }
        if let text = query["body"], !text.isEmpty { body = TextSearch(text) }
    }

    /// Whether the contents have to be searched.
    var looksInside: Bool { body != nil || header != nil }

    func matches(_ exchange: StoredExchange, _ searched: inout Searched) -> Bool {
        if !statuses.isEmpty {
            guard let status = exchange.status, statuses.contains(where: { $0.matches(status) }) else { return false }
        }
        if !methods.isEmpty, !methods.contains(String(decoding: exchange.method, as: UTF8.self).uppercased()) {
            return false
        }
        if let ids, !ids.contains(exchange.id) { return false }
        if let header, !Self.has(header.name, header.part, exchange) { return false }
        guard let body else { return true }
        return Self.has(body, exchange, &searched)
    }

    private static func has(_ name: String, _ part: [UInt8]?, _ exchange: StoredExchange) -> Bool {
        let heads = [exchange.request.fields, exchange.sent] + exchange.attempts.map(\.fields)
        return heads.contains { fields in
            fields.values(of: name).contains { value in
                part.map { TextSearch.contains(value.lowercasedASCII, $0) } ?? true
            }
        }
    }

    private static func has(_ text: TextSearch, _ exchange: StoredExchange, _ searched: inout Searched) -> Bool {
        var isFound = false
        for body in [exchange.request.body] + exchange.attempts.map(\.body) where body.size > 0 {
            if body.unreadable != nil {
                searched.unreadable += 1
                continue
            }
            searched.searched += 1
            if body.isCut { searched.cut += 1 }
            if !isFound { isFound = text.isIn(body.kept) }
        }
        if let own = exchange.ownAnswer, !own.body.isEmpty {
            searched.searched += 1
            if !isFound { isFound = text.isIn(own.body) }
        }
        return isFound || exchange.messages.contains { text.isIn($0.kept) }
    }
}

/// Searches for a text, ignoring case. Pure.
struct TextSearch {
    private let octets: [UInt8]
    /// Set if there are letters outside ASCII, whose case cannot be compared by octets.
    private let text: String?

    init(_ text: String) {
        let lower = text.lowercased()
        octets = Array(lower.utf8)
        self.text = octets.allSatisfy { $0 < 0x80 } ? nil : lower
    }

    func isIn(_ haystack: [UInt8]) -> Bool {
        guard let text else { return Self.contains(haystack, octets) }
        guard haystack.contains(where: { $0 >= 0x80 }) else { return false }
        return Self.contains(Array(String(decoding: haystack, as: UTF8.self).lowercased().utf8), Array(text.utf8))
    }

    /// `needle` is in lower case.
    static func contains(_ haystack: [UInt8], _ needle: [UInt8]) -> Bool {
        guard let first = needle.first else { return true }
        guard haystack.count >= needle.count else { return false }
        let other = first &- 0x61 < 26 ? first & 0xDF : first
        return haystack.withUnsafeBufferPointer { haystack in
            needle.withUnsafeBufferPointer { needle in
                for start in 0...haystack.count - needle.count
                where haystack[start] == first || haystack[start] == other {
                    var length = 1
                    while length < needle.count {
                        let octet = haystack[start + length]
                        guard (octet &- 0x41 < 26 ? octet | 0x20 : octet) == needle[length] else { break }
                        length += 1
                    }
                    if length == needle.count { return true }
                }
                return false
            }
        }
    }
}

extension ExchangeID {
    /// Reads `00a7-12`; nil for every other spelling.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let prefix = UInt16(parts[0], radix: 16), let number = UInt64(parts[1]) else {
            return nil
        }
        self.init(prefix: prefix, number: number)
        guard description == text else { return nil }
    }
}
