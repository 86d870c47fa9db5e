import Support

/// base64 with padding (RFC 4648 section 4), which the gateway has keys and values in.
enum EtcdBase64 {
    static func encode(_ bytes: [UInt8]) -> String {
        let bare = Base64URL.encode(bytes).utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: byte
            }
        }
        let padding = [UInt8](repeating: UInt8(ascii: "="), count: (4 - bare.count % 4) % 4)
        return String(decoding: bare + padding, as: UTF8.self)
    }

    /// Nil unless `text` is what `encode` gives.
    static func decode(_ text: String) -> [UInt8]? {
        guard let bytes = Base64URL.decode(text), encode(bytes) == text else { return nil }
        return bytes
    }
}
