import FuzzInvariants
import Platform
import Testing

/// Every input that fuzzing found worth keeping, and every one that once failed.
@Suite struct CorpusTests {
    @Test(arguments: FuzzTarget.allCases)
    func replay(_ target: FuzzTarget) throws {
        let directory =
            #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Corpus/" + target.rawValue
        let files = Self.files(in: directory)
        #expect(files.count > 5, "\(directory) is missing")
        for file in files {
            let bytes = Self.bytes(of: "\(directory)/\(file)")
            #expect(throws: Never.self, "\(target.rawValue)/\(file)") { try target.check(bytes) }
        }
    }

    private static func files(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func bytes(of path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var result = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&result, 1, result.count, file)
        return Array(result[..<count])
    }
}
