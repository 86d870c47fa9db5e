import Testing

@testable import HTTP1

/// The head of a request with one field, parsed.
private func field(_ name: String) -> (id: FieldName, isOdd: Bool, bytes: [UInt8], range: ByteRange)? {
    let bytes = Array("GET / HTTP/1.1\r\nHost: h\r\n\(name): 1\r\n\r\n".utf8)
    var parser = RequestParser(limits: HeadLimits())
    var head = RequestHead()
    _ = parser.parse(bytes.span, into: &head)
    guard let line = head.fields.last, head.fields.count == 2 else { return nil }
    return (line.id, line.hasOddName, bytes, line.name)
}

private func folds(_ name: String, to other: String) -> Bool {
    let bytes = Array(name.utf8)
    return bytes.span.folds(ByteRange(0, bytes.count), to: FoldedName(other.utf8).octets)
}

@Suite struct FieldTableTests {
    @Test func everyKnownNameHasOneRow() {
        for id in FieldName.allCases where id != .other {
            #expect(FieldTable.rows.count { $0.id == id } == 1, "\(id)")
        }
        #expect(FieldName.allCases.count <= 64)
    }

    @Test func everySpellingIsClassifiedAsItsRow() {
        for row in FieldTable.rows {
            let spelling = "\(row.spelling)"
            #expect(spelling == spelling.lowercased())
            #expect(FieldTable.rows.count { "\($0.spelling)" == spelling } == 1, "\(spelling)")
            for name in [spelling, spelling.uppercased()] where row.id != .host {
                // A second Content-Length, Expect or coding is refused by the parser.
                guard let parsed = field(name) else { continue }
                #expect(parsed.id == row.id, "\(name)")
                #expect(!parsed.isOdd)
            }
        }
    }

    @Test func everyFieldForOneHopIsDroppedEverywhere() {
        for row in FieldTable.rows where row.traits.contains(.hopByHop) {
            #expect(row.traits.isSuperset(of: [.dropInResponse, .notInTrailer, .notConfigurable]), "\(row.spelling)")
        }
    }

    @Test(arguments: [
        ("Authorization_", "authorization"), ("content_length", "Content-Length"), ("X.Squire!Key", "x-squire-key"),
        ("X-Squire_Key--_", "X-Squire-Key"), ("a", "A"), ("---", ""),
    ])
    func oddSpellingsFoldToTheName(_ name: String, _ other: String) {
        #expect(folds(name, to: other))
        #expect(FoldedName(name.utf8) == FoldedName(other.utf8))
    }

    @Test(arguments: [("Authorization", "authorizatio"), ("_Authorization", "authorization"), ("X-A", "XA"), ("", "a")])
    func otherNamesDoNot(_ name: String, _ other: String) {
        #expect(!folds(name, to: other))
        #expect(FoldedName(name.utf8) != FoldedName(other.utf8))
    }

    /// An odd name is one that folds to another than its own lower case.
    @Test func oddNamesAreThoseThatFoldDifferently() {
        var state: UInt64 = 7
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let count = Int(state >> 58) % 20 + 1
            var name: [UInt8] = []
            while name.count < count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let byte = UInt8(truncatingIfNeeded: state >> 33) & 0x7F
                if Octet.isToken(byte), (state >> 50) % 6 == 0 || Octet.lowercase(byte) >= 0x61 { name.append(byte) }
            }
            let isOdd = FoldedName(name).octets != name.map(Octet.lowercase)
            // Behind the name: the end of the bytes, or more of them.
            for rest in ["", ":", ": a value"] {
                let bytes = name + Array(rest.utf8)
                let (end, hasOddName) = bytes.span.endOfName(from: 0)
                #expect(end == name.count)
                #expect(hasOddName == isOdd, "\(String(decoding: name, as: UTF8.self))")
            }
        }
    }
}

@Suite struct TrailerFilterTests {
    private func pass(_ name: String, _ filter: TrailerFilter = TrailerFilter()) -> Bool {
        let bytes = Array("0\r\n\(name): 1\r\nX-Last: 2\r\n\r\n".utf8)
        var reader = BodyReader(.chunked)
        guard case .finished = reader.next(bytes.span, from: 0) else { return false }
        let trailers = String(decoding: reader.forwardableTrailers(filter), as: UTF8.self)
        #expect(trailers.hasSuffix("X-Last: 2\r\n"))
        return trailers.hasPrefix("\(name): 1\r\n")
    }

    @Test func fieldsThatDecideAboutTheMessageComeTooLate() {
        for row in FieldTable.rows where row.traits.contains(.notInTrailer) {
            for name in ["\(row.spelling)", "\(row.spelling)".uppercased(), "\(row.spelling)_"] {
                #expect(!pass(name), "\(name)")
                let imitation = name.replacing("-", with: "_")
                #expect(!pass(imitation), "\(imitation)")
            }
        }
        for name in ["X-Checksum", "Server-Timing", "Grpc-Status", "Digest", "ETag"] { #expect(pass(name), "\(name)") }
    }

    @Test func configuredNamesDoNotPassEither() {
        let filter = TrailerFilter(dropping: [FoldedName("Device-UUID".utf8)])
        for name in ["Device-UUID", "device_uuid", "DEVICE.UUID-"] {
            #expect(pass(name) && !pass(name, filter), "\(name)")
        }
        #expect(pass("Device-UUID-2", filter))
    }
}
