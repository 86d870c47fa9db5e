// libFuzzer's driver around one target, named by SQUIRE_FUZZ_TARGET. Built by `config/fuzz` only.
import FuzzInvariants
import Glibc

private let target: FuzzTarget = {
    let name = getenv("SQUIRE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        fatalError("SQUIRE_FUZZ_TARGET is none of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    return target
}()

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argc: UnsafeMutablePointer<Int32>,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    do {
        try target.check(Array(UnsafeBufferPointer(start: start, count: count)))
    } catch {
        fatalError("\(error)")
    }
    ReachedCounters.announceReached()
    return 0
}

// The package manager renames an executable's `main`.
@_cdecl("Fuzz_main")
public func fuzzMain(
    _ argc: Int32,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> Int32 {
    let isMerge = CommandLine.arguments.contains { $0.hasPrefix("-merge") || $0.hasPrefix("-set_cover_merge") }
    ReachedCounters.begin(whole: isMerge)
    var argc = argc
    var argv = argv
    return runDriver(&argc, &argv, testOneInput)
}
