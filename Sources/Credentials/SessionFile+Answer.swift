import Platform

/// A response to a refresh that could not be read, kept for a person.
extension SessionFile {
    /// Where a complete response to a refresh is kept if no token was found in it. It may hold the only valid token.
    public var answerPath: String { path + ".answer" }

    private static let maximumAnswerBytes = 64 * 1024

    /// Keeps the first 64 KiB of `bytes`, readable by this user only. Replaces one that was kept before. False if that
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
