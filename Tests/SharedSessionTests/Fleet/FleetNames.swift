import Credentials
@testable import SharedSession

/// Names for tokens, logins and claims that are the same in each exploration.
enum FleetNames {
    private static let ids: [SharedID] = (0..<2_048).map { number in
        let digits = String(number, radix: 16)
        return SharedID(String(repeating: "0", count: 32 - digits.count) + digits)!
    }
    private static let numbers = [SharedID: Int](uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })

    static func token(_ number: Int) -> SharedID { ids[number] }
    static func login(_ family: Int) -> SharedID { ids[100 + family] }
    static func number(_ id: SharedID) -> Int { numbers[id]! }

    /// How many claims of one process may be spoken of at a time.
    static let claimsOfProcess = 32
    static let processes = 4

    static func claim(machine: Int, process: Int, number: Int) -> SharedID {
        claim(owner: machine * processes + process, number: number)
    }

    static func claim(owner: Int, number: Int) -> SharedID {
        precondition(number < claimsOfProcess, "too many claims of one process: this case has no bounds")
        return ids[1_000 + owner * claimsOfProcess + number]
    }

    /// Which machine and process, in one number, and which of its claims.
    static func claim(_ id: SharedID) -> (owner: Int, number: Int) {
        let (owner, number) = (number(id) - 1_000).quotientAndRemainder(dividingBy: claimsOfProcess)
        return (owner, number)
    }

    /// The process that made the claim.
    static func process(_ claim: SharedID) -> ProcessName {
        let (machine, process) = self.claim(claim).owner.quotientAndRemainder(dividingBy: processes)
        return names[machine][process]
    }

    static func process(_ machine: Int, _ process: Int) -> ProcessName { names[machine][process] }
    private static let names = (0..<3).map { machine in
        (0..<processes).map { process in ProcessName(["A", "B", "C"][machine] + String(process))! }
    }

    static func owner(_ name: ProcessName) -> (machine: Int, process: Int) {
        let octets = Array(name.description.utf8)
        return (Int(octets[0]) - 0x41, Int(octets[1]) - 0x30)
    }
}
