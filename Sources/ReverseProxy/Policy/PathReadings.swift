import HTTP1

/// The paths that servers may take a request's path for: the results of the usual normalisation steps, in any
/// combination and order.
///
/// The steps: decode percent-encoding, read `\` as `/`, drop the parameters of segments (`;name=value`, RFC 3986
/// section 3.3), merge slashes, resolve dot segments, drop the dots and blanks that segments end with (Windows does, and
/// the `$` of a regular expression matches before a line's end) or of which they consist, end at a NUL or at an encoded
/// `?` or `#`. For decisions only; the forwarded path is the client's.
struct PathReadings {
    /// All different readings, the path itself first.
    private(set) var all: [[UInt8]]
    /// False if there were too many to find them all.
    private(set) var isComplete = true

    private static let maxReadings = 256
    /// The limit for all readings together.
    private static let maxBytes = 256 * 1024

    init(_ path: UnsafeRawBufferPointer) {
        all = [Array(path)]
        var bytes = path.count
        var index = 0
        while index < all.count {
            for step in Self.steps {
                guard let reading = step(all[index]), !all.contains(reading) else { continue }
                bytes += reading.count
                guard all.count < Self.maxReadings, bytes <= Self.maxBytes else {
                    isComplete = false
                    return
                }
                all.append(reading)
            }
            index += 1
        }
        // Comparing octets does not handle case beyond ASCII.
        all += all.filter { $0.contains { $0 >= 0x80 } }.map(Self.lowercase)
    }

    /// Whether `path` has a single reading, apart from case and a final slash. Allocates nothing.
    static func isPlain(_ path: UnsafeRawBufferPointer) -> Bool {
        var start = 0
        for index in 0..<path.count {
            switch path[index] {
            case UInt8(ascii: "%"), UInt8(ascii: ";"), UInt8(ascii: "\\"), UInt8(ascii: "?"), UInt8(ascii: "#"), 0,
                0x80...:
                return false
            case UInt8(ascii: "/"):
                if index > 0, isOddSegment(path, start, index) { return false }
                start = index + 1
            default: continue
            }
        }
        return start >= path.count || !isOddSegment(path, start, path.count)
    }

    /// The segment is empty, or ends with a dot, as `.` and `..` do.
    private static func isOddSegment(_ path: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Bool {
        end == start || path[end - 1] == UInt8(ascii: ".")
    }

    /// The reading that most servers choose.
    static func plainest(_ path: [UInt8]) -> [UInt8] {
        var path = path
        for step in [decoded, withoutParameters, withMergedSlashes, withoutDotSegments] { path = step(path) ?? path }
        return path
    }

    static func lowercase(_ path: [UInt8]) -> [UInt8] { Array(String(decoding: path, as: UTF8.self).lowercased().utf8) }

    // MARK: Steps, each nil if it changes nothing

    private static let steps = [
        decoded, withoutBackslashes, withoutParameters, withMergedSlashes, withoutDotSegments, withoutFinalFill,
        withoutFill, cut,
    ]

    static func decoded(_ path: [UInt8]) -> [UInt8]? {
        guard path.contains(UInt8(ascii: "%")) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(path.count)
        var index = 0
        while index < path.count {
            if path[index] == UInt8(ascii: "%"), index + 2 < path.count,
                let high = Octet.hexadecimal(path[index + 1]), let low = Octet.hexadecimal(path[index + 2])
            {
                result.append(UInt8(high << 4 | low))
                index += 3
            } else {
                result.append(path[index])
                index += 1
            }
        }
        return result.count == path.count ? nil : result
    }

    private static func withoutBackslashes(_ path: [UInt8]) -> [UInt8]? {
        guard path.contains(UInt8(ascii: "\\")) else { return nil }
        return path.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 }
    }

    private static func withoutParameters(_ path: [UInt8]) -> [UInt8]? {
        guard path.contains(UInt8(ascii: ";")) else { return nil }
        var result: [UInt8] = []
        var isParameter = false
        for byte in path {
            if byte == UInt8(ascii: "/") { isParameter = false }
            if byte == UInt8(ascii: ";") { isParameter = true }
            if !isParameter { result.append(byte) }
        }
        return result
    }

    private static func withMergedSlashes(_ path: [UInt8]) -> [UInt8]? {
        var result: [UInt8] = []
        for byte in path where byte != UInt8(ascii: "/") || result.last != UInt8(ascii: "/") { result.append(byte) }
        return result.count == path.count ? nil : result
    }

    /// RFC 3986 section 5.2.4.
    private static func withoutDotSegments(_ path: [UInt8]) -> [UInt8]? {
        var segments: [ArraySlice<UInt8>] = []
        var isChanged = false
        let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let isDot = part.elementsEqual(".".utf8)
            let isDoubleDot = part.elementsEqual("..".utf8)
            guard isDot || isDoubleDot else {
                segments.append(part)
                continue
            }
            isChanged = true
            // The part before the first slash stays.
            if isDoubleDot, segments.count > 1 { segments.removeLast() }
            if index == parts.count - 1 { segments.append([]) }
        }
        guard isChanged else { return nil }
        let result = Array(segments.joined(separator: [UInt8(ascii: "/")]))
        return result.first == UInt8(ascii: "/") ? result : [UInt8(ascii: "/")] + result
    }

    /// Drops the dots, blanks and line ends that segments end with. Of a segment of nothing else, the dots that it begins
    /// with stay, two at most.
    private static func withoutFinalFill(_ path: [UInt8]) -> [UInt8]? {
        mapSegments(path) { part in
            if let last = part.lastIndex(where: { !isFill($0) }) { return part[...last] }
            return part.prefix(2).prefix { $0 == UInt8(ascii: ".") }
        }
    }

    /// Drops the segments of nothing but dots, blanks and line ends, except for dot segments.
    private static func withoutFill(_ path: [UInt8]) -> [UInt8]? {
        mapSegments(path) { part in
            let isDots = part.count <= 2 && part.allSatisfy { $0 == UInt8(ascii: ".") }
            return !isDots && part.allSatisfy(isFill) ? [] : part
        }
    }

    /// Whether servers may drop the octet at a segment's end: a dot, a blank or a line end.
    static func isFill(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte == 0x20 || 0x09...0x0D ~= byte
    }

    /// Nil if no segment becomes shorter.
    private static func mapSegments(_ path: [UInt8], _ shorten: (ArraySlice<UInt8>) -> ArraySlice<UInt8>) -> [UInt8]? {
        let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let result = Array(parts.map(shorten).joined(separator: [UInt8(ascii: "/")]))
        return result.count == path.count ? nil : result
    }

    private static func cut(_ path: [UInt8]) -> [UInt8]? {
        path.firstIndex { $0 == 0 || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }.map { Array(path[..<$0]) }
    }
}
