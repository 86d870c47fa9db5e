import HTTP1

/// Fields in their order, in one allocation: there are dozens in each exchange, and thousands of exchanges are kept.
struct StoredFields: Equatable, Collection, ExpressibleByArrayLiteral {
    /// Of each: the lengths of name and value, four octets each, then both.
    private(set) var octets: [UInt8] = []
    private(set) var count = 0

    init() {}

    init(_ fields: some Sequence<StoredField>) {
        for field in fields { append(field) }
    }

    init(arrayLiteral elements: StoredField...) {
        self.init(elements)
    }

    mutating func append(_ field: StoredField) {
        Self.append(length: field.name.count, to: &octets)
        Self.append(length: field.value.count, to: &octets)
        octets += field.name
        octets += field.value
        count += 1
    }

    /// The values of the fields of that name, given in lower case.
    func values(of name: String) -> [[UInt8]] {
        let wanted = Array(name.utf8)
        return filter { $0.name.lowercasedASCII == wanted }.map(\.value)
    }

    /// Gives back what was reserved in vain.
    mutating func trim() { octets.trim() }

    // MARK: Collection

    var startIndex: Int { 0 }
    var endIndex: Int { octets.count }

    func index(after position: Int) -> Int {
        position + 8 + length(at: position) + length(at: position + 4)
    }

    subscript(position: Int) -> StoredField {
        let value = position + 8 + length(at: position)
        return StoredField(
            name: Array(octets[position + 8..<value]),
            value: Array(octets[value..<value + length(at: position + 4)])
        )
    }

    private func length(at offset: Int) -> Int {
        Int(octets[offset]) << 24 | Int(octets[offset + 1]) << 16 | Int(octets[offset + 2]) << 8
            | Int(octets[offset + 3])
    }

    private static func append(length: Int, to octets: inout [UInt8]) {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: length).bigEndian) { octets += $0 }
    }
}

extension [UInt8] {
    /// A to Z become a to z.
    var lowercasedASCII: [UInt8] { map(Octet.lowercase) }

    /// Gives back what was reserved in vain: what is kept is counted by its octets.
    mutating func trim() {
        guard capacity > count + count / 8 + 64 else { return }
        self = [UInt8](unsafeUninitializedCapacity: count) { buffer, count in
            count = buffer.initialize(fromContentsOf: self)
        }
    }

    /// Overwrites what may hold secrets before its memory is given back.
    mutating func wipe() {
        withUnsafeMutableBytes { for index in $0.indices { $0[index] = 0 } }
        self = []
    }
}
