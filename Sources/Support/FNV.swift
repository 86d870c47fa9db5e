/// The 64-bit FNV-1a hash. Not for secrets.
public enum FNV {
    /// Hashes raw octets. Not generic: it runs for every response while a token is fresh, and an unspecialised generic
    /// allocated three times per octet.
    public static func hash(_ octets: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in octets.indices { hash = unsafe (hash ^ UInt64(octets[index])) &* 0x100_0000_01B3 }
        return hash
    }
}
