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
    return 0
}

/// Takes the place of libFuzzer's own function (`--wrap` in Package.swift). Two variables of 64 bits that are compared are
/// in Swift nearly always an index and a bound: hints that say nothing, and a quarter of the time. Comparisons with
/// constants are still hints.
@_cdecl("__wrap___sanitizer_cov_trace_cmp8")
public func ignoreComparison(_ left: UInt64, _ right: UInt64) {}

// The package manager renames an executable's `main`.
@_cdecl("Fuzz_main")
public func fuzzMain(
    _ argc: Int32,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> Int32 {
    var argc = argc
    var argv = argv
    return runDriver(&argc, &argv, testOneInput)
}
