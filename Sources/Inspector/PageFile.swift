import InspectorPage
import Platform
import Support

/// One of the page's files. Its bytes stay in the program's read-only memory.
struct PageFile: Sendable {
    let name: String
    /// Its media type.
    let type: String
    /// Differs whenever the bytes do (RFC 9110 section 8.8.3), with its quotes.
    let tag: String
    private let index: Int

    /// All that the page consists of.
    static let all: [PageFile] = {
        var count = 0
        let files = inspector_page_files(&count)
        return (0..<count).compactMap { index in
            guard let file = files?[index] else { return nil }
            return PageFile(
                name: String(cString: file.name),
                type: String(cString: file.type),
                tag: "\"\(Hexadecimal.text(FNV.hash(UnsafeRawBufferPointer(start: file.bytes, count: file.size))))\"",
                index: index
            )
        }
    }()

    /// Says which page this is: a tab that runs another has an older one, or a newer.
    static let version: String = {
        var text = all.map { $0.name + $0.tag }.joined()
        return text.withUTF8 { Hexadecimal.text(FNV.hash(UnsafeRawBufferPointer($0))) }
    }()

    static func named(_ name: String) -> PageFile? { all.first { $0.name == name } }

    /// A copy.
    var bytes: [UInt8] {
        var count = 0
        guard let file = inspector_page_files(&count)?[index] else { return [] }
        return Array(UnsafeBufferPointer(start: file.bytes, count: file.size))
    }

    /// Whether a field If-None-Match names this file as it is (RFC 9110 section 13.1.2).
    func isMatched(by condition: String) -> Bool {
        condition.split(separator: ",").contains { part in
            let tag = part.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
            return tag == "*" || tag == self.tag || tag == "W/" + self.tag
        }
    }
}
