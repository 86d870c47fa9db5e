import Testing

@testable import HTTP1

/// Runs must end where their class says, wherever in a word that is.
@Suite struct OctetRunTests {
    enum Run: CaseIterable {
        case token, target, fieldContent

        func belongs(_ octet: UInt8) -> Bool {
            switch self {
            case .token: Octet.isToken(octet)
            case .target: Octet.isTarget(octet)
            case .fieldContent: Octet.isFieldContent(octet)
            }
        }

        func end(_ octets: [UInt8], from start: Int) -> Int {
            switch self {
            case .token: octets.span.endOfToken(from: start)
            case .target: octets.span.endOfTarget(from: start)
            case .fieldContent: octets.span.endOfFieldContent(from: start)
            }
        }
    }

    /// Every octet at every place, in runs of a few kinds, at the end of the bytes and before more of them.
    @Test(arguments: Run.allCases) func endsWhereItsClassEnds(_ run: Run) {
        for filler in [UInt8(ascii: "a"), UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "5")] {
            for octet in UInt8.min...UInt8.max {
                for place in 0..<18 {
                    for length in [place + 1, place + 4, 20] {
                        var octets = [UInt8](repeating: filler, count: max(length, place + 1))
                        octets[place] = octet
                        #expect(run.end(octets, from: 0) == (run.belongs(octet) ? octets.count : place))
                    }
                }
            }
        }
    }

    /// Marks above the first one may be wrong, the first one never: pairs of octets next to each other.
    @Test(arguments: Run.allCases) func neighboursDoNotMatter(_ run: Run) {
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                let octets = [0x61, 0x62, first, second, 0x61, 0x62, 0x63, 0x64, 0x65]
                let end = (0..<octets.count).first { !run.belongs(octets[$0]) } ?? octets.count
                if run.end(octets, from: 0) != end { Issue.record("\(octets)") }
            }
        }
    }

    /// Wherever the range is, and whatever stands before and behind it.
    @Test func theFirstOctetOfARangeIsFound() {
        for count in 0..<20 {
            for place in 0...count {
                for start in [0, 1, 9] {
                    var octets = [UInt8](repeating: 0x3F, count: start)
                    octets += (0..<count).map { $0 == place ? 0x3F : 0x61 }
                    for rest in [[], [0x3F], [UInt8](repeating: 0x3F, count: 12)] {
                        let found = (octets + rest).span.first(0x3F, in: start..<start + count)
                        if found != start + place { Issue.record("\(found) in \(octets + rest)") }
                    }
                }
            }
        }
    }

    @Test func startsAnywhere() {
        let octets = Array("a b cccccccccc d".utf8)
        #expect(Run.token.end(octets, from: 4) == 14)
        #expect(Run.token.end(octets, from: 16) == 16)
    }
}
