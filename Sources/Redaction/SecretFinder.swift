import Credentials
import HTTP1

/// Finds known secrets in octets: plain, in hexadecimal of whatever case, and in base64 and base64url, at each of the
/// three offsets that a secret can have in an encoded text.
///
/// An Aho-Corasick automaton: takes linear time, whatever the secrets and the text are. Immutable.
final class SecretFinder: Sendable {
    /// The minimum length in octets. Shorter secrets would match by chance.
    static let minLength = 8

    private struct Needle {
        var length: Int
        var mark: Findings.Mark
    }

    // One element for each state; state 0 is the beginning.
    /// Up to 255, the only octet that leads on, to the state behind this one; `none`; from `firstTable` on, the number
    /// of a table of 256 states.
    private let next: [UInt16]
    private let failure: [Int32]
    /// Octets of a needle that were seen.
    private let depth: [Int32]
    /// The longest needle that ends here; -1 for none.
    private let output: [Int32]
    private let tables: [Int32]
    private let needles: [Needle]

    private static let none: UInt16 = 256
    private static let firstTable: UInt16 = 512
    /// The maximum number of needles, which have 16-bit numbers. There are never so many tokens.
    private static let maxNeedles = 10_000

    init(tokens: [Redactor.KnownToken], secrets: [[UInt8]]) {
        var builder = Builder()
        // Of two tokens with one value, the later generation counts.
        for token in tokens.sorted(by: { $0.generation > $1.generation }) {
            builder.addAll(of: token.value, .token(token.generation))
        }
        for secret in secrets { builder.addAll(of: secret, .redacted) }
        builder.link()
        next = builder.next
        failure = builder.failure
        depth = builder.depth
        output = builder.output
        tables = builder.tables
        needles = builder.needles
    }

    /// Calls `found` for each match; of several with one end, for the longest. Returns how many of the last octets may begin
    /// a match.
    func find(in text: UnsafeBufferPointer<UInt8>, _ found: (Range<Int>, Findings.Mark) -> Void) -> Int {
        guard !needles.isEmpty else { return 0 }
        var pending = search(text, found)
        // Those in capitals, or in both cases, are found where digits are written like the needles.
        for run in HexadecimalRuns(in: text) {
            let digits = text[run].map(Octet.lowercase)
            let rest = digits.withUnsafeBufferPointer { digits in
                search(digits) { found(($0.lowerBound + run.lowerBound)..<($0.upperBound + run.lowerBound), $1) }
            }
            if run.upperBound == text.count { pending = max(pending, rest) }
        }
        return pending
    }

    /// Calls `found` for each match, in the order of their ends. Returns how many of the last octets begin a needle.
    private func search(_ text: UnsafeBufferPointer<UInt8>, _ found: (Range<Int>, Findings.Mark) -> Void) -> Int {
        let state = next.withUnsafeBufferPointer { next in
            failure.withUnsafeBufferPointer { failure in
                tables.withUnsafeBufferPointer { tables in
                    output.withUnsafeBufferPointer { output in
                        var state = 0
                        for index in text.indices {
                            state = Self.step(from: state, text[index], next, failure, tables)
                            let needle = Int(output[state])
                            if needle >= 0 {
                                found((index + 1 - needles[needle].length)..<(index + 1), needles[needle].mark)
                            }
                        }
                        return state
                    }
                }
            }
        }
        return Int(depth[state])
    }

    /// The state after another octet.
    @inline(__always)
    private static func step(
        from state: Int,
        _ octet: UInt8,
        _ next: UnsafeBufferPointer<UInt16>,
        _ failure: UnsafeBufferPointer<Int32>,
        _ tables: UnsafeBufferPointer<Int32>
    ) -> Int {
        var state = state
        while true {
            let following = next[state]
            if following == UInt16(octet) { return state + 1 }
            if following >= firstTable {
                let target = tables[Int(following - firstTable) << 8 | Int(octet)]
                if target != 0 { return Int(target) }
            }
            if state == 0 { return 0 }
            state = Int(failure[state])
        }
    }

    private struct Builder {
        var next = [SecretFinder.firstTable]
        var failure: [Int32] = [0]
        var depth: [Int32] = [0]
        var output: [Int32] = [-1]
        var tables = [Int32](repeating: 0, count: 256)
        var needles: [Needle] = []

        mutating func addAll(of secret: [UInt8], _ mark: Findings.Mark) {
            guard secret.count >= SecretFinder.minLength else { return }
            add(secret, mark)
            add(Self.hexadecimal(secret), mark)
            for offset in 0..<3 {
                let text = Self.base64(secret, offset)
                add(text, mark)
                add(text.map(Self.forURLs), mark)
            }
        }

        private static func hexadecimal(_ octets: [UInt8]) -> [UInt8] {
            let digits = Array("0123456789abcdef".utf8)
            return octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        }

        /// The part of the base64 form that does not depend on the surrounding octets, for a secret at that offset in a
        /// group.
        private static func base64(_ octets: [UInt8], _ offset: Int) -> [UInt8] {
            let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
            // The bits of the preceding octet, then those that are left over.
            var pending = offset * 8 % 6
            var isForeign = pending > 0
            var bits: UInt32 = 0
            var result: [UInt8] = []
            for octet in octets {
                bits = bits << 8 | UInt32(octet)
                pending += 8
                while pending >= 6 {
                    pending -= 6
                    if !isForeign { result.append(alphabet[Int(bits >> UInt32(pending) & 63)]) }
                    isForeign = false
                }
            }
            return result
        }

        private static func forURLs(_ octet: UInt8) -> UInt8 {
            switch octet {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            default: octet
            }
        }

        private func target(_ state: Int, _ octet: UInt8) -> Int? {
            let following = next[state]
            if following == UInt16(octet) { return state + 1 }
            guard following >= SecretFinder.firstTable else { return nil }
            let target = Int(tables[Int(following - SecretFinder.firstTable) << 8 | Int(octet)])
            return target == 0 ? nil : target
        }

        private mutating func add(_ text: [UInt8], _ mark: Findings.Mark) {
            guard needles.count < SecretFinder.maxNeedles else { return }
            var state = 0
            for octet in text { state = target(state, octet) ?? append(octet, to: state) }
            guard state != 0, output[state] < 0 else { return }
            output[state] = Int32(needles.count)
            needles.append(Needle(length: text.count, mark: mark))
        }

        private mutating func append(_ octet: UInt8, to state: Int) -> Int {
            let new = next.count
            next.append(SecretFinder.none)
            failure.append(0)
            depth.append(depth[state] + 1)
            output.append(-1)
            if next[state] == SecretFinder.none, new == state + 1 {
                next[state] = UInt16(octet)
                return new
            }
            if next[state] < SecretFinder.firstTable {
                let only = next[state]
                next[state] = SecretFinder.firstTable + UInt16(tables.count >> 8)
                tables += [Int32](repeating: 0, count: 256)
                if only != SecretFinder.none {
                    tables[Int(next[state] - SecretFinder.firstTable) << 8 | Int(only)] = Int32(state + 1)
                }
            }
            tables[Int(next[state] - SecretFinder.firstTable) << 8 | Int(octet)] = Int32(new)
            return new
        }

        /// Sets the state to continue with if no transition matches, shorter prefixes first.
        mutating func link() {
            var queue = [0]
            var first = 0
            while first < queue.count {
                let state = queue[first]
                first += 1
                if next[state] < 256 {
                    link(state + 1, after: state, UInt8(next[state]))
                    queue.append(state + 1)
                } else if next[state] >= SecretFinder.firstTable {
                    for octet in UInt8.min...UInt8.max {
                        guard let child = target(state, octet) else { continue }
                        link(child, after: state, octet)
                        queue.append(child)
                    }
                }
            }
        }

        private mutating func link(_ state: Int, after parent: Int, _ octet: UInt8) {
            guard parent != 0 else { return }
            var shorter = Int(failure[parent])
            while true {
                if let target = target(shorter, octet) {
                    failure[state] = Int32(target)
                    break
                }
                if shorter == 0 { break }
                shorter = Int(failure[shorter])
            }
            if output[state] < 0 { output[state] = output[Int(failure[state])] }
        }
    }
}
