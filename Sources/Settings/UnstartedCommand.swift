import Platform

/// Advice about a command that could not be started.
public enum UnstartedCommand {
    /// What was probably meant, as one or two sentences; nil if nothing is known. `command` is the program and its
    /// arguments, and `code` is the error's `errno`.
    public static func advice(_ command: [String], code: Int32) -> String? {
        guard let program = command.first else { return nil }
        switch code {
        case ENOENT where program.utf8.contains(where: { " \t\n".utf8.contains($0) }):
            return words(program, command)
        case ENOENT where !program.utf8.contains(UInt8(ascii: "/")):
            return "No directory of PATH has a program of this name"
        case EACCES where isDirectory(program): return "It is a directory"
        case EACCES where PrivateFile.exists(program): return "Make it executable: chmod +x \(quoted(program))"
        default: return nil
        }
    }

    /// The program's name has blanks: it is probably a whole command line.
    private static func words(_ program: String, _ command: [String]) -> String {
        let isShell = program.utf8.contains { "$|&;<>()`\"'\\*?[]#~=\n".utf8.contains($0) }
        let shell = "sh -c \(CommandLines.quoted(program))"
        guard !isShell, command.count == 1 else {
            return "A command and its arguments are separate words. For a line that a shell reads: "
                + "squire exec -- \(shell)"
        }
        let words = program.split { " \t".contains($0) }.map { CommandLines.quoted(String($0)) }
        return "A command and its arguments are separate words: squire exec -- \(words.joined(separator: " "))"
            + " (or, for a shell: \(shell))"
    }

    private static func quoted(_ path: String) -> String {
        CommandLines.quoted(path.hasPrefix("-") ? "./\(path)" : path)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var information = stat()
        return unsafe stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
    }
}
