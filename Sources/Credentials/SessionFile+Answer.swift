import Platform

/// A response to a refresh that could not be interpreted, kept for a person.
extension SessionFile {
    /// The path of a complete response to a refresh in which no token was found. It may contain the only valid token.
    public var answerPath: String { path + ".answer" }

    private static let maximumAnswerBytes = 64 * 1024

    /// Keeps the first 64 KiB of `bytes`, readable by this user only, and replaces an earlier response. False if that
    /// fails.
    func keepAnswer(_ bytes: [UInt8]) -> Bool {
        PrivateFile.create(answerPath, bytes.prefix(Self.maximumAnswerBytes))
    }

    /// Removes the kept response: a token was saved, or the session was forgotten.
    func removeAnswer() {
        unsafe unlink(answerPath)
    }

    var hasAnswer: Bool { PrivateFile.exists(answerPath) }
}
