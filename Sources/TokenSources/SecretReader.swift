import Platform
public import Threads

/// Reads the secrets of one configuration. Blocking: may read files and run commands.
public struct SecretReader: Equatable, Sendable, CustomReflectable {
    private let environment: [String: String]
    /// The configuration's directory, in which commands run.
    private let directory: String

    /// The maximum size of a file or a command's output.
    static let maxBytes = 64 * 1024
    static let commandTimeout = Duration.seconds(30)

    /// `environment` is this process's, which commands inherit.
    public init(environment: [String: String], directory: String) {
        self.environment = environment
        self.directory = directory
    }

    /// The environment may contain secrets.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Reads a secret. Removes one line end from the content of a file or the output of a command. `stop` ends a
    /// running command.
    public func read(_ reference: SecretReference, stop: StopSignal? = nil) -> Result<String, SecretProblem> {
        do throws(SecretProblem) {
            switch reference {
            case .plain(let text): return .success(text)
            case .environment(let name): return .success(try variable(name))
            case .file(let path): return .success(try text(try contents(path), "names a file that is", path))
            case .command(let arguments): return .success(try output(arguments, reference.shown, stop))
            }
        } catch {
            return .failure(error)
        }
    }

    /// Reads a secret if that has no effect: runs no command, and reads nothing that could be read only once. Nil if it was
    /// not read for that reason.
    public func peek(_ reference: SecretReference) -> Result<String, SecretProblem>? {
        switch reference {
        case .plain, .environment: read(reference)
        case .file(let path): Self.isRegular(path) ? read(reference) : nil
        case .command: nil
        }
    }

    private static func isRegular(_ path: String) -> Bool {
        var information = stat()
        return unsafe stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFREG
    }

    /// Why the secret's command cannot be started, as a sentence; nil if there is none, or no known problem.
    public func commandProblem(_ reference: SecretReference) -> String? {
        guard case .command(let arguments) = reference, let name = arguments.first else { return nil }
        return ExecConfiguration.problem(of: name, in: directory, path: environment["PATH"] ?? "/usr/bin:/bin")
    }

    /// Why the secret cannot be read, as far as that is known without running a command; nil if there is no known
    /// problem.
    public func problem(_ reference: SecretReference) -> SecretProblem? {
        do throws(SecretProblem) {
            switch reference {
            case .plain, .command: break
            case .environment(let name): _ = try variable(name)
            case .file(let path):
                var information = stat()
                let file = try opened(path)
                guard unsafe fstat(file.number, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
                    break
                }
                if information.st_size == 0 { throw .configuration("names a file that is empty: \(path)") }
                if information.st_size > Self.maxBytes { throw unreadable(path, .tooLarge(Self.maxBytes)) }
            }
            return nil
        } catch {
            return error
        }
    }

    private func variable(_ name: String) throws(SecretProblem) -> String {
        guard let value = environment[name] else {
            throw .configuration("names a variable that is not set: \(name). Export it where squire runs")
        }
        guard !value.isEmpty else { throw .configuration("names a variable that is empty: \(name)") }
        return value
    }

    private func opened(_ path: String) throws(SecretProblem) -> FileDescriptor {
        do throws(NamedFile.Problem) {
            return try NamedFile.open(path)
        } catch {
            throw unreadable(path, error)
        }
    }

    private func unreadable(_ path: String, _ problem: NamedFile.Problem) -> SecretProblem {
        .configuration("names a file that cannot be read: \(path): \(problem.text)")
    }

    private func contents(_ path: String) throws(SecretProblem) -> [UInt8] {
        do throws(NamedFile.Problem) {
            return try NamedFile.read(path, limit: Self.maxBytes)
        } catch {
            throw unreadable(path, error)
        }
    }

    private func text(_ bytes: [UInt8], _ what: String, _ name: String) throws(SecretProblem) -> String {
        guard let text = String(validating: Self.withoutLineEnd(bytes), as: UTF8.self) else {
            throw .configuration("\(what) not UTF-8 text: \(name)")
        }
        guard !text.isEmpty else { throw .configuration("\(what) empty: \(name)") }
        return text
    }

    private func output(_ arguments: [String], _ shown: String, _ stop: StopSignal?) throws(SecretProblem) -> String {
        let runner = CommandRunner(
            arguments: arguments,
            directory: directory,
            environment: environment,
            timeout: Self.commandTimeout
        )
        switch runner.run(stop: stop) {
        case .printed(let bytes, _):
            do throws(SecretProblem) {
                return try text(bytes, "runs a command whose output is", shown)
            } catch {
                throw .passing(error.text)
            }
        case .failed(let failure):
            let story = failure.text { Complaint.text($0, hiding: []) }
            throw .passing("runs a command, \(shown), which \(story)")
        }
    }

    /// Removes only one line end: others may be part of the secret.
    static func withoutLineEnd(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        guard bytes.last == UInt8(ascii: "\n") else { return bytes[...] }
        let rest = bytes.dropLast()
        return rest.last == UInt8(ascii: "\r") ? rest.dropLast() : rest
    }
}
