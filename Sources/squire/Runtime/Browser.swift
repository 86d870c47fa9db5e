import CSystem
import Platform

/// The user's web browser.
struct Browser {
    private let environment: [String: String]

    init(_ environment: [String: String] = Environment.all) {
        self.environment = environment
    }

    private func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// Whether the user sits at another machine, where this one cannot open a browser.
    private var isRemote: Bool { value("SSH_CONNECTION") != nil || value("SSH_TTY") != nil }

    /// The program that opens an address: `$BROWSER`, a single word that no shell interprets, else the desktop's, if
    /// there is one.
    private var program: String? {
        if let named = value("BROWSER") { return named }
        guard !isRemote else { return nil }
        #if os(macOS)
        return "open"
        #else
        return value("DISPLAY") ?? value("WAYLAND_DISPLAY") == nil ? nil : "xdg-open"
        #endif
    }

    /// Whether an address can be opened on the user's screen.
    var isThere: Bool { program != nil }

    /// Opens `url` without waiting. Returns false if there is no browser, or it cannot be started. The browser survives
    /// this process, and Ctrl-C.
    func open(_ url: String) -> Bool {
        guard let program else { return false }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Standard output is for the command's result, and standard input for the user.
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, 2, 1)
        // Clears close-on-exec, which is set if a placeholder took the place of a closed standard error.
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )
        posix_spawnattr_setpgroup(&attributes, 0)
        // Whatever the calling thread blocks.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // These are ignored here, and an ignored signal stays ignored.
        var ignored = sigset_t()
        sigemptyset(&ignored)
        for signal in [SIGPIPE, SIGXFSZ] { sigaddset(&ignored, signal) }
        posix_spawnattr_setsigdefault(&attributes, &ignored)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(url), nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        return posix_spawnp(&child, program, &actions, &attributes, &arguments, environ) == 0
    }
}
