// swift-tools-version: 6.2
import PackageDescription

#if canImport(Glibc)
import Glibc
#endif

/// What every target is built with. What other targets may use is `public`, though nobody else does: the compiler
/// optimises across modules what is `public`, and not what is `package`.
let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    // Exclusive access to class properties is checked while tests and fuzzers run. Release builds leave the checks out:
    // they were 6,900 of 36,100 instructions of a request. Optimising across modules took another 2,100 of 20,000.
    .unsafeFlags(["-enforce-exclusivity=unchecked", "-cross-module-optimization"], .when(configuration: .release)),
    // Metadata of a generic type is made by a call that has its arguments' witnesses, instead of from its mangled name,
    // for which the runtime searches all 4,500 conformances: some 2 of 34 million instructions of a start, for 66 KB.
    .unsafeFlags(
        ["-Xfrontend", "-disable-concrete-type-metadata-mangled-name-accessors"],
        .when(configuration: .release)
    ),
]

/// Strict memory safety: no unsafe pointer is used without an `unsafe` that can be searched for.
///
/// `EventIO`, `Upstream` and `Inflation` go without: they wrap C libraries, and nearly every line would have the mark. So
/// do `ReverseProxy`, `Redaction` and `Inspector`, which read octets in place, in buffers of C memory, on hundreds of
/// lines, and the commands in `squire`, which make system calls by themselves.
let strict: [SwiftSetting] = common + [.strictMemorySafety()]

/// What looks at each octet of each body that is recorded, a few times: in a debug build a body of 64 KiB took longer
/// than a second, and everything that waits for the inspector waited for that.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

/// Small before fast, for what no request passes through: the program must stay below 22 MB.
let small: [SwiftSetting] = [.unsafeFlags(["-Osize"], .when(configuration: .release))]

/// What Foundation's static archives need and the linker does not find by itself, in the order it wants.
let staticFoundation = [
    "CoreFoundation", "_FoundationCShims", "_FoundationCollections", "_FoundationICU", "stdc++",
]

/// The C++ that Swift's own runtime is made with, linked statically: the shared library has 4,300 symbols of its own to be
/// looked up at each start, of 11,000 in all. What -lstdc++ finds there names the archive.
let staticCPlusPlus = ["-L\(Context.packageDirectory)/config/link"]

/// Which commit is built: `config/install` and `config/package` say it. SwiftPM knows it, too
/// (`Context.gitInformation`), but keeps its answer when there is another commit.
let commit: String = {
    let said = Context.environment["SQUIRE_COMMIT"] ?? ""
    let isOne = !said.isEmpty && said.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+.-".contains($0)) }
    return isOne ? said : "unknown"
}()

/// Nobody looks up a name in a program: what is kept for that alone, tables and functions, is 1.8 MB.
let unexported = ["-Xlinker", "--no-export-dynamic"]

/// The addresses that the loader fills in, as a bitmap (DT_RELR), which is 1.9 MB less; glibc reads it since 2.36.
let packed: [String] = {
    #if canImport(Glibc)
    var text = [CChar](repeating: 0, count: 32)
    confstr(Int32(_CS_GNU_LIBC_VERSION), &text, text.count)
    // "glibc 2.36"
    let bytes = text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    let version = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "." }.compactMap { Int($0) }
    if version.count >= 2, (version[0], version[1]) >= (2, 36) {
        return ["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"]
    }
    #endif
    return []
}()

let package = Package(
    name: "squire",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "squire", targets: ["squire"])],
    dependencies: [
        // Commands, options, `--help` and completion scripts.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // The logging interface; the two formats of `--log-format` are its backend, in the squire target.
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // The C libraries. Each is imported by one target, beside tests: EventIO, Upstream, Cryptography and Settings.
        .systemLibrary(
            name: "CLibevent",
            pkgConfig: "libevent",
            providers: [.apt(["libevent-dev"]), .brew(["libevent"])]
        ),
        .systemLibrary(
            name: "CCurl",
            pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]
        ),
        // The libcrypto that libcurl brings along: swift-crypto was 3.6 MB of the program.
        .systemLibrary(
            name: "CCrypto",
            pkgConfig: "libcrypto",
            providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]
        ),
        // YAML with line and column marks, which configuration errors need. Without a Swift library around it, which
        // would bring Foundation and its Unicode data along.
        .systemLibrary(
            name: "CLibyaml",
            pkgConfig: "yaml-0.1",
            providers: [.apt(["libyaml-dev"]), .brew(["libyaml"])]
        ),
        // Sign-in answers that a server compresses though it was asked not to. libcurl brings the library along.
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        // The few system calls that Swift cannot import.
        .target(name: "CSystem"),
        // Which commit this is. Alone, so that another one costs the compilation of four lines.
        .target(name: "CVersion", cSettings: [.define("SQUIRE_COMMIT", to: "\"\(commit)\"")]),
        // config/reference.yaml, compiled in.
        .target(name: "ReferenceFile"),

        // The C library under one name, owned descriptors, clocks, and arithmetic that does not overflow.
        .target(name: "Platform", dependencies: ["CSystem"], swiftSettings: strict),
        // JSON, base64url, hashes, dates: what several targets read and write.
        .target(name: "Support", dependencies: ["Platform"], swiftSettings: strict),
        .target(name: "Threads", dependencies: ["CSystem", "Platform"], swiftSettings: strict),
        .target(name: "HTTP1", swiftSettings: strict),
        // Compressed bodies, for those who look into them.
        .target(name: "Inflation", dependencies: ["CZlib"], swiftSettings: common),
        // OpenSSL in Swift: hashes, codes that authenticate, sealing, and keys that sign.
        .target(name: "Cryptography", dependencies: ["CCrypto"], swiftSettings: strict),
        .target(name: "EventIO", dependencies: ["CLibevent", "Platform", "Threads"], swiftSettings: common),
        // What a service manager is told and passes on: sd_notify(3) and sd_listen_fds(3), without systemd's library.
        .target(name: "ServiceManager", dependencies: ["Platform"], swiftSettings: strict),
        .target(
            name: "Upstream",
            dependencies: ["CCurl", "EventIO", "Inflation", "Platform", "Threads"],
            swiftSettings: common
        ),
        .target(name: "Credentials", dependencies: ["Platform", "Support", "Threads"], swiftSettings: strict),
        // Where tokens come from, beside a recipe: OAuth 2.0, commands, files.
        .target(
            name: "TokenSources",
            dependencies: [
                "CSystem", "Credentials", "Cryptography", "EventIO", "HTTP1", "LocalServer", "Platform", "Redaction",
                "Support", "Threads", "Upstream",
            ],
            swiftSettings: strict
        ),
        // One session for many machines: an engine that all of them reach keeps it. Optimised always: a test explores
        // every interleaving of the protocol.
        .target(
            name: "SharedSession",
            dependencies: ["Credentials", "Cryptography", "Platform", "Support", "Threads", "Upstream"],
            swiftSettings: strict + optimized
        ),
        .target(
            name: "ReverseProxy",
            dependencies: [
                "CSystem", "Credentials", "EventIO", "HTTP1", "Inflation", "Platform", "Support", "Threads",
                "TokenSources",
                "Upstream",
            ],
            swiftSettings: common
        ),
        // The configuration file, its checks and its defaults; what is logged and how.
        .target(
            name: "Settings",
            dependencies: [
                "CLibyaml", "Credentials", "Cryptography", "EventIO", "HTTP1", "Platform", "ReferenceFile",
                "ReverseProxy", "SharedSession", "Support", "Threads", "TokenSources", "Upstream",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict + small
        ),
        // What `squire check` says of what it saw. Decides and words only.
        .target(
            name: "Diagnosis",
            dependencies: [
                "Credentials", "EventIO", "HTTP1", "Platform", "ReverseProxy", "Settings", "SharedSession", "Support",
                "TokenSources", "Upstream",
            ],
            swiftSettings: strict + small
        ),
        // Whole requests in, whole or streamed answers out: the HTTP server of the pages Squire serves itself.
        // Never on the data path.
        .target(name: "LocalServer", dependencies: ["EventIO", "HTTP1"], swiftSettings: strict),
        .target(
            name: "Playground",
            dependencies: [
                "Credentials", "Cryptography", "EventIO", "HTTP1", "LocalServer", "Platform", "Support",
            ],
            swiftSettings: strict + small
        ),
        // The files of the inspector's page, compiled in.
        .target(name: "InspectorPage", exclude: ["Web"]),
        // Takes what is secret out of texts.
        .target(
            name: "Redaction",
            dependencies: ["Credentials", "HTTP1", "Support"],
            swiftSettings: common + optimized
        ),
        .target(
            name: "Inspector",
            dependencies: [
                "CSystem", "Credentials", "EventIO", "HTTP1", "Inflation", "InspectorPage", "LocalServer", "Platform",
                "Redaction", "ReverseProxy", "Support", "Threads",
            ],
            swiftSettings: common
        ),
        .executableTarget(
            name: "squire",
            dependencies: [
                "CSystem", "CVersion", "Credentials", "Cryptography", "Diagnosis", "EventIO", "HTTP1", "Inspector",
                "Platform",
                "Playground", "ReverseProxy", "ServiceManager", "Settings", "SharedSession", "Support", "Threads",
                "TokenSources", "Upstream",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common,
            // The parts of the standard library and Foundation that are used, not all of them: 5 MiB less resident, and
            // a release binary that runs without a Swift installation.
            linkerSettings: [
                .unsafeFlags(
                    ["-static-stdlib"] + staticCPlusPlus + staticFoundation.map { "-l" + $0 } + unexported + packed,
                    .when(platforms: [.linux], configuration: .release)
                )
            ]
        ),

        // Directories for tests, gone when these have ended.
        .target(name: "TestFiles", path: "Tests/TestFiles", swiftSettings: common),
        .testTarget(name: "HTTP1Tests", dependencies: ["HTTP1"], swiftSettings: common),
        .testTarget(
            name: "CryptographyTests",
            dependencies: ["CCrypto", "Cryptography"],
            swiftSettings: common
        ),
        .testTarget(name: "PlatformTests", dependencies: ["Platform", "TestFiles"], swiftSettings: common),
        .testTarget(name: "SupportTests", dependencies: ["Support"], swiftSettings: common),
        .testTarget(name: "ThreadsTests", dependencies: ["Threads"], swiftSettings: common),
        .testTarget(name: "EventIOTests", dependencies: ["EventIO", "Platform", "Threads"], swiftSettings: common),
        .testTarget(name: "UpstreamTests", dependencies: ["CCurl", "Platform", "Upstream"], swiftSettings: common),
        .testTarget(
            name: "ServiceManagerTests",
            dependencies: ["Platform", "ServiceManager"],
            swiftSettings: common
        ),
        .testTarget(
            name: "CredentialsTests",
            dependencies: ["Credentials", "Platform", "Support", "TestFiles", "Threads"],
            swiftSettings: common
        ),
        .testTarget(
            name: "TokenSourcesTests",
            dependencies: [
                "Credentials", "Cryptography", "EventIO", "HTTP1", "Platform", "Support", "TestFiles", "Threads",
                "TokenSources", "Upstream",
            ],
            swiftSettings: common
        ),
        .testTarget(
            name: "SharedSessionTests",
            dependencies: [
                "Credentials", "Platform", "SharedSession", "Support", "TestFiles", "Threads", "Upstream",
            ],
            swiftSettings: common + optimized
        ),
        .testTarget(
            name: "DiagnosisTests",
            dependencies: [
                "Credentials", "Diagnosis", "HTTP1", "Platform", "ReverseProxy", "SharedSession", "Support", "Upstream",
            ],
            swiftSettings: common
        ),
        .testTarget(
            name: "LocalServerTests",
            dependencies: ["EventIO", "LocalServer", "Platform", "Threads"],
            swiftSettings: common
        ),
        .testTarget(
            name: "RedactionTests",
            dependencies: ["Redaction", "Support"],
            swiftSettings: common
        ),
        .testTarget(
            name: "InspectorTests",
            dependencies: [
                "Credentials", "EventIO", "HTTP1", "Inspector", "InspectorPage", "LocalServer", "Platform",
                "Redaction", "ReverseProxy", "Support", "Threads",
            ],
            swiftSettings: common
        ),
        .testTarget(
            name: "ReverseProxyTests",
            dependencies: [
                "Credentials", "EventIO", "HTTP1", "Inflation", "Platform", "ReverseProxy", "Support", "TestFiles",
                "Threads", "TokenSources", "Upstream",
            ],
            swiftSettings: common
        ),
        .testTarget(
            name: "SettingsTests",
            dependencies: [
                "Credentials", "EventIO", "HTTP1", "Inspector", "Platform", "ReverseProxy", "Settings", "SharedSession",
                "TestFiles", "TokenSources", "Upstream",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common
        ),
        // What fuzzing checks; `swift test` replays the corpus. The fuzzer itself: see the end of this file.
        .target(
            name: "FuzzInvariants",
            dependencies: [
                "Credentials", "Diagnosis", "EventIO", "HTTP1", "Inspector", "Redaction", "ReverseProxy", "Settings",
                "SharedSession", "Support", "TokenSources", "Upstream",
            ],
            path: "Tests/Fuzz/Invariants",
            swiftSettings: common
        ),
        .testTarget(
            name: "FuzzReplayTests",
            dependencies: ["FuzzInvariants", "Platform"],
            path: "Tests/Fuzz/Replay",
            swiftSettings: common
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["Platform", "squire", "Threads"],
            exclude: ["Scenarios"],
            swiftSettings: common
        ),
    ],
    swiftLanguageModes: [.v6]
)

// `config/fuzz` builds with libFuzzer, which only Linux toolchains have. Its value is what the compiler is told.
if let options = Context.environment["SQUIRE_FUZZ"] {
    let instrumentation = SwiftSetting.unsafeFlags(options.split(separator: " ").map(String.init))
    // What the targets fuzz.
    for target in package.targets
    where [
        "HTTP1", "ReverseProxy", "Credentials", "Support", "Settings", "Diagnosis", "TokenSources", "Inspector",
        "Redaction", "SharedSession", "FuzzInvariants",
    ].contains(target.name) {
        target.swiftSettings = (target.swiftSettings ?? []) + [instrumentation]
    }
    package.targets.append(
        .executableTarget(
            name: "Fuzz",
            dependencies: ["FuzzInvariants"],
            path: "Tests/Fuzz/Driver",
            swiftSettings: common + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [
                .unsafeFlags(options.split(separator: " ").map(String.init)),
                // The driver passes on to libFuzzer what it says of the counters.
                .unsafeFlags(
                    ["8bit_counters", "pcs"].flatMap { ["-Xlinker", "--wrap=__sanitizer_cov_\($0)_init"] }
                ),
            ]
        )
    )
}

// `config/bench micro` measures the pure parts on their own.
if Context.environment["SQUIRE_BENCH"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Micro",
            dependencies: ["Credentials", "EventIO", "HTTP1", "Platform", "ReverseProxy"],
            path: "Tests/Benchmarks/Micro",
            swiftSettings: common
        )
    )
}
