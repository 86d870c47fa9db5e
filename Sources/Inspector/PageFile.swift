import InspectorPage
import Platform
import Support

/// One of the page's files. Stays in the executable's read-only memory, and is served without comments and indentation.
struct PageFile: Sendable {
    let name: String
    /// Its media type.
    let type: String
    /// The entity tag (RFC 9110 section 8.8.3), with quotes; differs whenever the bytes do.
    let tag: String
    private let index: Int

    /// All files of the page.
    static let all: [PageFile] = {
        var count = 0
        let files = inspector_page_files(&count)
        return (0..<count).compactMap { index in
            guard let file = files?[index] else { return nil }
            let name = String(cString: file.name)
            let hash = served(file, name).withUnsafeBytes { FNV.hash($0) }
            return PageFile(
                name: name,
                type: String(cString: file.type),
                tag: "\"\(Hexadecimal.text(hash))\"",
                index: index
            )
        }
    }()

    /// The version of the page: a tab with another one is older or newer.
    static let version: String = {
        var text = all.map { $0.name + $0.tag }.joined()
        return text.withUTF8 { Hexadecimal.text(FNV.hash(UnsafeRawBufferPointer($0))) }
    }()

    static func named(_ name: String) -> PageFile? { all.first { $0.name == name } }

    /// The served bytes.
    var bytes: [UInt8] {
        var count = 0
        guard let file = inspector_page_files(&count)?[index] else { return [] }
        return Self.served(file, name)
    }

    private static func served(_ file: inspector_page_file, _ name: String) -> [UInt8] {
        let bytes = UnsafeBufferPointer(start: file.bytes, count: file.size)
        return name.hasSuffix(".svg") ? Array(bytes) : lean(bytes, of: name)
    }

    /// Removes indentation and, in scripts and style sheets, lines that contain only a comment; in style sheets also
    /// the blanks beside punctuation and the last semicolons, which mean nothing there. Lines keep their numbers for debugging. The files must
    /// not contain constructs that span lines, such as templates.
    static func lean(_ bytes: some Collection<UInt8>, of name: String) -> [UInt8] {
        let (isScript, isSheet) = (name.hasSuffix(".js"), name.hasSuffix(".css"))
        var lean: [UInt8] = []
        lean.reserveCapacity(bytes.count)
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let text = line.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            let isComment = isScript && text.starts(with: "//".utf8) || isSheet && Self.isComment(text)
            if isSheet, !isComment {
                appendRule(text, to: &lean)
            } else if !isComment {
                lean.append(contentsOf: text)
            }
            lean.append(UInt8(ascii: "\n"))
        }
        // The last line ends with a line end, which does not begin another line.
        lean.removeLast()
        return lean
    }

    /// Appends a line of a style sheet without blanks behind `:;,{}` and before `{}`, and without a semicolon before
    /// `}`, but for those in quotes.
    private static func appendRule(_ line: some Collection<UInt8>, to lean: inout [UInt8]) {
        let (closing, opening) = (Array(":;,{}".utf8), Array("{}".utf8))
        var quote: UInt8?
        for octet in line {
            if let open = quote {
                if octet == open { quote = nil }
            } else if octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "'") {
                quote = octet
            } else if opening.contains(octet) {
                if lean.last == UInt8(ascii: " ") { lean.removeLast() }
                if octet == UInt8(ascii: "}"), lean.last == UInt8(ascii: ";") { lean.removeLast() }
            } else if octet == UInt8(ascii: " "), let last = lean.last, closing.contains(last) {
                continue
            }
            lean.append(octet)
        }
    }

    /// Whether the line contains only a comment of a style sheet.
    private static func isComment(_ line: some Collection<UInt8>) -> Bool {
        let line = Array(line)
        guard line.count >= 4, line.starts(with: "/*".utf8) else { return false }
        return (2..<line.count - 1).first { line[$0] == UInt8(ascii: "*") && line[$0 + 1] == UInt8(ascii: "/") }
            == line.count - 2
    }

    /// Whether the value of If-None-Match includes this file's tag (RFC 9110 section 13.1.2).
    func isMatched(by condition: String) -> Bool {
        condition.split(separator: ",").contains { part in
            let tag = part.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
            return tag == "*" || tag == self.tag || tag == "W/" + self.tag
        }
    }
}
