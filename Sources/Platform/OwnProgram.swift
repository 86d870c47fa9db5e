/// The program that this process runs.
public enum OwnProgram {
    /// The absolute path of its file, without links; nil if the system does not tell.
    public static var path: String? {
        #if os(Linux)
        let named = "/proc/self/exe"
        #else
        var size: UInt32 = 4096
        var bytes = [CChar](repeating: 0, count: Int(size))
        guard _NSGetExecutablePath(&bytes, &size) == 0 else { return nil }
        let named = bytes.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        #endif
        return RealPath.of(named)
    }
}
