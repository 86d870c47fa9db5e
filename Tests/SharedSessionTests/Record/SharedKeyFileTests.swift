import Platform
import TestFiles
import Testing

@testable import SharedSession

@Suite struct SharedKeyFileTests {
    private let directory = TestDirectory.make()

    private func problem(_ text: String) -> SharedKeyFile.Problem? {
        problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile(parsing: Array(text.utf8)) }
    }

    private func problem(
        _ work: () throws(SharedKeyFile.Problem) -> SharedKeyFile
    ) -> SharedKeyFile.Problem? {
        do throws(SharedKeyFile.Problem) {
            _ = try work()
            return nil
        } catch {
            return error
        }
    }

    private func mode(_ path: String) -> mode_t? {
        var information = stat()
        return stat(path, &information) == 0 ? information.st_mode & 0o777 : nil
    }

    @Test func linesAreKeysAndTheFirstSeals() throws {
        let (one, other) = (SharedSamples.line(0), SharedSamples.line(64))
        let file = try SharedKeyFile(parsing: Array("\n  \(one)\r\n\n\(other)\t".utf8))
        // SHA-256("squire kid", 00 01 … 1f), as coreutils have it.
        #expect(file.keyIDs.first?.description == "d9e650e6")
        #expect(file.keyIDs == (try SharedSamples.keys(0, 64).keyIDs))
        #expect(file.keyIDs.allSatisfy { SharedKeyID($0.description) == $0 })
    }

    @Test func aKeysNameIsEightDigits() {
        for text in ["", "d9e650e", "d9e650e66", "D9E650E6", "d9e650g6", "+9e650e6", "d9e6 0e6"] {
            #expect(SharedKeyID(text) == nil)
        }
        #expect(SharedKeyID("00000001")?.description == "00000001")
    }

    @Test func mistakesSayTheLine() {
        let good = SharedSamples.line(0)
        #expect(problem("") == .empty && problem("\n \r\n") == .empty)
        for bad in [
            "key", String(good.dropLast()), good + "A", "AAAA", String(good.dropLast(2)), good + "=",
            good.replacing("=", with: ""),
            "# \(good)", "\(good) \(good)", "é", "\u{0}",
        ] {
            #expect(problem("\(good)\n\n\(bad)\n") == .badLine(3), "\(bad)")
        }
        // The last character says more bits than there are.
        #expect(problem(good.dropLast(2) + "9=") == .badLine(1))
        #expect(problem("\(good)\n\(SharedSamples.line(7))\n\(good)\n") == .repeated(3))
        let many = (0..<17).map { SharedSamples.line(UInt8($0 * 3)) }.joined(separator: "\n")
        #expect(problem(many) == .tooManyKeys)
    }

    @Test func noMistakeShowsAKey() throws {
        let secret = SharedSamples.line(0)
        for text in [secret + "\n" + secret, secret + "x", String(secret.dropLast(3))] {
            let said = try #require(problem(text)).text
            #expect(!said.contains(secret.prefix(6)))
        }
    }

    @Test func aFileIsMadeForItsOwnerAlone() throws {
        let path = "\(directory)/shared.key"
        let made = try SharedKeyFile.create(path)
        #expect(mode(path) == 0o600 && made.keyIDs.count == 1)
        #expect(try SharedKeyFile.load(path).keyIDs == made.keyIDs)
        #expect(problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.create(path) } == .exists)
        #expect(try SharedKeyFile.load(path).keyIDs == made.keyIDs)
        symlink("\(directory)/elsewhere", "\(directory)/link")
        let link = "\(directory)/link"
        #expect(problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.create(link) } == .exists)
        #expect(!PrivateFile.exists("\(directory)/elsewhere"))
        let nowhere = "\(directory)/no/such/key"
        #expect(
            problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.create(nowhere) } == .unwritable(ENOENT)
        )
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o620, 0o602, 0o666] as [mode_t])
    func aFileThatOthersMayReadOrChangeIsNotUsed(_ mode: mode_t) throws {
        let path = "\(directory)/shared.key"
        _ = try SharedKeyFile.create(path)
        chmod(path, mode)
        #expect(problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.load(path) } == .exposed)
        #expect(problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.add(to: path) } == .exposed)
        #expect(!PrivateFile.exists(path + ".new"))
        chmod(path, 0o400)
        #expect(try SharedKeyFile.load(path).keyIDs.count == 1)
    }

    @Test func whatIsNoFileIsNotWaitedFor() throws {
        let load = { (path: String) in problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.load(path) } }
        #expect(load(directory) == .unreadable(.isDirectory))
        let fifo = "\(directory)/fifo"
        #expect(mkfifo(fifo, 0o600) == 0)
        #expect(load(fifo) == .unreadable(.isNoFile))
        #expect(load("\(directory)/none") == .unreadable(.system(ENOENT)))
        #expect(load("/dev/null") == .empty)
        let large = "\(directory)/large"
        #expect(PrivateFile.create(large, [UInt8](repeating: 0x0A, count: 5000)))
        #expect(load(large) == .unreadable(.tooLarge(4096)))
    }

    @Test func aKeyIsAddedAsTheLastLine() throws {
        let path = "\(directory)/shared.key"
        // Without an end of its line, as editors leave it.
        #expect(PrivateFile.create(path, Array(SharedSamples.line(0).utf8)))
        let first = try SharedKeyFile.load(path).keyIDs
        let both = try SharedKeyFile.add(to: path).keyIDs
        #expect(both.count == 2 && both.first == first.first)
        #expect(try SharedKeyFile.load(path).keyIDs == both)
        #expect(mode(path) == 0o600 && !PrivateFile.exists(path + ".new"))
        let link = "\(directory)/link"
        symlink(path, link)
        #expect(try SharedKeyFile.add(to: link).keyIDs.count == 3)
        #expect(try SharedKeyFile.load(path).keyIDs.count == 3)
        var information = stat()
        #expect(lstat(link, &information) == 0 && information.st_mode & S_IFMT == S_IFLNK)
    }

    @Test func whatIsNoKeyFileIsLeftAsItIs() throws {
        let path = "\(directory)/notes"
        #expect(PrivateFile.create(path, Array("dear diary\n".utf8)))
        let add = { problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.add(to: path) } }
        #expect(add() == .badLine(1))
        #expect(try NamedFile.read(path, limit: 100) == Array("dear diary\n".utf8))
        #expect(PrivateFile.create(path + ".new", []))
        #expect(add() == .inChange(path + ".new"))
        #expect(PrivateFile.exists(path + ".new"), "it is another command's")
    }

    @Test func aFullFileTakesNoMore() throws {
        let path = "\(directory)/shared.key"
        _ = try SharedKeyFile.create(path)
        for count in 2...16 { #expect(try SharedKeyFile.add(to: path).keyIDs.count == count) }
        #expect(problem { () throws(SharedKeyFile.Problem) in try SharedKeyFile.add(to: path) } == .tooManyKeys)
        #expect(try SharedKeyFile.load(path).keyIDs.count == 16)
    }

    @Test func newKeysAreRandom() throws {
        let lines = (0..<100).map { _ in SharedKeyFile.newLine() }
        #expect(Set(lines).count == 100)
        for line in lines { #expect(try SharedKeyFile(parsing: Array(line.utf8)).keyIDs.count == 1) }
    }
}
