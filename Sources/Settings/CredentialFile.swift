/// The content of a file that should contain a private key or certificates in PEM (RFC 7468), recognised by its first
/// bytes and its `-----BEGIN …-----` lines. Pure. Explains problems that the TLS library only reports as "cannot read".
enum CredentialFile: Equatable {
    case empty
    /// PEM blocks in order.
    case pem([Block])
    /// DER (X.690), by its type: PEM without the encoding as text.
    case key
    case encryptedKey
    case certificate
    /// RFC 7292, usually `.p12` or `.pfx`.
    case pkcs12
    /// UTF-16, as some Windows tools write text.
    case wideText
    /// Another program's format, by its name.
    case foreign(String)
    case unknown

    struct Block: Equatable {
        var label: String
        /// Encrypted in the traditional form (RFC 1421 section 4.6.1.1).
        var isEncrypted = false
    }

    init(_ bytes: [UInt8]) {
        let start = Array(bytes.prefix(4))
        if bytes.allSatisfy({ $0 <= 0x20 }) {
            self = .empty
        } else if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) {
            self = .wideText
        } else if start == [0xFE, 0xED, 0xFE, 0xED] {
            self = .foreign("a Java key store")
        } else if start.first == 0x30 {
            self = Self.der(bytes)
        } else {
            self = Self.text(bytes)
        }
    }

    private static func text(_ bytes: [UInt8]) -> CredentialFile {
        let begin = "-----BEGIN "
        var blocks: [Block] = []
        var isInHeaders = false
        for line in bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            let text = String(decoding: line.prefix(200), as: UTF8.self)
            if text.hasPrefix(begin) {
                blocks.append(Block(label: String(text.dropFirst(begin.count).prefix { $0 != "-" })))
                isInHeaders = true
            } else if isInHeaders {
                isInHeaders = text.contains(":")
                if isInHeaders, text.uppercased().hasPrefix("PROC-TYPE"), text.uppercased().contains("ENCRYPTED") {
                    blocks[blocks.count - 1].isEncrypted = true
                }
            }
            if blocks.isEmpty, text.hasPrefix("PuTTY-User-Key-File") { return .foreign("PuTTY's form of a key") }
        }
        return blocks.isEmpty ? .unknown : .pem(blocks)
    }

    /// ```
    /// key             SEQUENCE { INTEGER 0 or 1, … }            RFC 8017 appendix A.1.2, RFC 5958, RFC 5915
    /// PKCS#12         SEQUENCE { INTEGER 3, … }                 RFC 7292 section 4
    /// encrypted key   SEQUENCE { SEQUENCE { OID … }, OCTET STRING }   RFC 5958 section 3
    /// certificate     SEQUENCE { SEQUENCE { [0] … or INTEGER …        RFC 5280 section 4.1
    /// ```
    private static func der(_ bytes: [UInt8]) -> CredentialFile {
        guard let outer = DERElement(bytes, at: 0), let first = DERElement(bytes, at: outer.content) else {
            return .unknown
        }
        switch first.tag {
        case 0x02:
            guard first.content < bytes.count else { return .unknown }
            return bytes[first.content] == 3 ? .pkcs12 : .key
        case 0x30:
            guard let inner = DERElement(bytes, at: first.content) else { return .unknown }
            switch inner.tag {
            case 0x06:
                let next = first.end.flatMap { DERElement(bytes, at: $0) }
                return next?.tag == 0x04 ? .encryptedKey : .unknown
            case 0xA0, 0x02: return .certificate
            default: return .unknown
            }
        default: return .unknown
        }
    }

    // MARK: Problems

    /// Why the file at `path` cannot be used as a private key: the rest of a sentence that begins with the setting's
    /// name. Nil leaves the decision to the TLS library. Examines only how the key is stored.
    func keyProblem(_ path: String) -> String? {
        switch self {
        case .empty: return "names a file that is empty: \(path)"
        case .pem(let blocks):
            // The TLS library uses the first key of a known type; OpenSSH's type is unknown to it.
            let keys = blocks.filter { $0.label.hasSuffix("PRIVATE KEY") }
            guard let key = keys.first(where: { $0.label != "OPENSSH PRIVATE KEY" }) else {
                if !keys.isEmpty {
                    return "is in OpenSSH's own form, which TLS has no use for: \(path). "
                        + "A copy in PEM: ssh-keygen -p -N \"\" -m PEM -f COPY"
                }
                return "holds no private key: \(path) has \(Self.list(blocks))"
            }
            if key.isEncrypted || key.label == "ENCRYPTED PRIVATE KEY" {
                return Self.isProtected(path, "openssl pkey -in \(path) -out FILE")
            }
            return nil
        case .encryptedKey: return Self.isProtected(path, "openssl pkey -inform DER -in \(path) -out FILE")
        case .pkcs12:
            return Self.isProtected(path, "openssl pkcs12 -in \(path) -nodes -out FILE", form: ", in a PKCS#12 file")
        case .key: return "is DER, not PEM: \(path). Convert it: openssl pkey -inform DER -in \(path) -out FILE"
        case .certificate: return "holds no private key: \(path) is a certificate, in DER"
        case .wideText, .foreign, .unknown: return formProblem(path)
        }
    }

    /// The same for a file of certificates.
    func certificateProblem(_ path: String) -> String? {
        switch self {
        case .empty: return "names a file that is empty: \(path)"
        case .pem(let blocks):
            let labels = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]
            if blocks.contains(where: { labels.contains($0.label) }) { return nil }
            return "holds no certificate: \(path) has \(Self.list(blocks))"
        case .certificate: return "is DER, not PEM: \(path). Convert it: openssl x509 -inform DER -in \(path) -out FILE"
        case .pkcs12:
            return "is a PKCS#12 file, not PEM: \(path). Convert it: openssl pkcs12 -in \(path) -nodes -out FILE"
        case .key, .encryptedKey: return "holds no certificate: \(path) is a private key, in DER"
        case .wideText, .foreign, .unknown: return formProblem(path)
        }
    }

    private func formProblem(_ path: String) -> String {
        switch self {
        case .wideText: "is UTF-16 text: \(path). Save it as UTF-8 or ASCII"
        case .foreign(let name): "is \(name), not PEM: \(path)"
        default: "is not PEM: \(path) has no line that begins with -----BEGIN"
        }
    }

    private static func isProtected(_ path: String, _ command: String, form: String = "") -> String {
        "is protected by a pass phrase\(form), and Squire never asks for one: \(path). "
            + "Take it off, into a file that only you can read: umask 077; \(command)"
    }

    private static func list(_ blocks: [Block]) -> String {
        var labels: [String] = []
        for block in blocks where !labels.contains(block.label) { labels.append(block.label) }
        return labels.prefix(3).joined(separator: ", ")
    }
}

/// The head of one DER element (X.690 section 8.1).
private struct DERElement {
    let tag: UInt8
    /// The start of the content, and its end; nil for the indefinite form.
    let content: Int
    let end: Int?

    /// Nil if there is none at `offset`.
    init?(_ bytes: [UInt8], at offset: Int) {
        guard offset >= 0, offset < bytes.count - 1 else { return nil }
        tag = bytes[offset]
        let first = bytes[offset + 1]
        guard first >= 0x80 else {
            content = offset + 2
            end = offset + 2 + Int(first)
            return
        }
        // At most four length bytes: files are much smaller.
        let count = Int(first & 0x7F)
        guard count <= 4, offset + 2 + count <= bytes.count else { return nil }
        content = offset + 2 + count
        end = count == 0 ? nil : content + bytes[(offset + 2)..<content].reduce(0) { $0 << 8 | Int($1) }
    }
}
