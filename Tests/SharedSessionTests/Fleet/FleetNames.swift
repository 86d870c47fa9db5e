import Credentials
@testable import SharedSession

/// Names for tokens, logins and claims that are the same in each exploration.
enum FleetNames {
    private static let ids: [SharedID] = (0..<16_384).map { number in
        let digits = String(number, radix: 16)
        return SharedID(String(repeating: "0", count: 32 - digits.count) + digits)!
    }
    private static let numbers = [SharedID: Int](uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })

    static func token(_ number: Int) -> SharedID { ids[number] }
    static func login(_ family: Int) -> SharedID { ids[100 + family] }
    static func number(_ id: SharedID) -> Int { numbers[id]! }

    /// Of a claim: another one for each machine, process, value that is replaced, and unclear write before.
    static func claim(machine: Int, process: Int, version: UInt64, unclear: UInt8, lostWrites: UInt8) -> SharedID {
        let key = (machine * 4 + process) * 64 + Int(version % 64)
        return ids[1_000 + (key * 4 + Int(unclear)) * 4 + Int(lostWrites)]
    }

    static func process(_ machine: Int, _ process: Int) -> ProcessName { names[machine][process] }
    private static let names = (0..<3).map { machine in
        (0..<4).map { process in ProcessName(["A", "B", "C"][machine] + String(process))! }
    }

    static func owner(_ name: ProcessName) -> (machine: Int, process: Int) {
        let octets = Array(name.description.utf8)
        return (Int(octets[0]) - 0x41, Int(octets[1]) - 0x30)
    }
}
