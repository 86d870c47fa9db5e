import Platform

/// The cases of the model that the protocol was designed with, and some that only the real machine has.
enum FleetCases {
    static let quick: [FleetCase] = [
        FleetCase(name: "1: no fault"),
        FleetCase(name: "2: no fault, 3 machines", machines: 3),
        FleetCase(name: "3: a death", faults: [.death: 1]),
        FleetCase(name: "5: an unclear answer of the engine", faults: [.unclear: 1]),
        FleetCase(name: "48: a death and an unclear answer", rotations: 1, faults: [.death: 1, .unclear: 1]),
        FleetCase(name: "6: a stop beyond the takeover", faults: [.stop: 1]),
        FleetCase(name: "8: lost requests or answers", faults: [.lostMessage: 2]),
        FleetCase(
            name: "58: lost requests or answers that are not sent again",
            rotations: 1,
            retriesLost: false,
            faults: [.lostMessage: 2]
        ),
        FleetCase(name: "9: the same, an API with a grace", hasGrace: true, faults: [.lostMessage: 2]),
        FleetCase(
            name: "10: a death, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            faults: [.death: 1]
        ),
        FleetCase(name: "14: stopped between the check and the send", sendsLate: true, faults: [.stop: 1]),
        FleetCase(
            name: "15: the same, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            sendsLate: true,
            faults: [.stop: 1]
        ),
        FleetCase(name: "17: the engine loses its last write", faults: [.lostWrite: 1]),
        FleetCase(name: "18: the same with a death", rotations: 1, faults: [.lostWrite: 1, .death: 1]),
        FleetCase(name: "19: cut off", faults: [.cut: 1]),
        FleetCase(name: "21: cut off, an API that detects reuse", rotations: 1, killsFamilies: true, faults: [.cut: 1]),
        FleetCase(name: "27: a login and a lost write", rotations: 1, faults: [.login: 1, .lostWrite: 1]),
        FleetCase(name: "30: the engine is emptied", rotations: 1, faults: [.emptied: 1]),
        FleetCase(
            name: "39: the engine loses a write, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            faults: [.lostWrite: 1]
        ),
        FleetCase(
            name: "40: it is emptied, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            faults: [.emptied: 1]
        ),
        FleetCase(
            name: "47: the engine goes back into an earlier refresh, an API that detects reuse",
            killsFamilies: true,
            faults: [.restored: 1]
        ),
        FleetCase(name: "31: the watch is late", rotations: 1, faults: [.lateWatch: 2]),
        FleetCase(name: "33: an answer that news overtake", rotations: 1, faults: [.slowAnswer: 1]),
        FleetCase(name: "34: two of them", rotations: 1, faults: [.slowAnswer: 2]),
        FleetCase(name: "32: the file cannot be written", rotations: 1, faults: [.failedSave: 1]),
        FleetCase(name: "50: a login or logout without the engine", rotations: 1, faults: [.deed: 1]),
        FleetCase(name: "51: and somebody logs in elsewhere", rotations: 0, faults: [.deed: 1, .login: 1]),
        FleetCase(name: "52: and a death", rotations: 0, faults: [.deed: 1, .login: 1, .death: 1]),
        FleetCase(name: "10: with a stop", rotations: 1, killsFamilies: true, faults: [.death: 1, .stop: 1]),
        FleetCase(name: "19: cut off twice", faults: [.cut: 2]),
        FleetCase(name: "5: two unclear answers", faults: [.unclear: 2]),
    ]

    static let omissions: [(FleetCase, FleetProperty)] = [
        (FleetCase(name: "N1: any claim", faults: [.stop: 1], omission: .anyClaim), .available),
        (FleetCase(name: "N2: a local copy", rotations: 1, faults: [.death: 1], omission: .localCopy), .available),
        (FleetCase(name: "N3: a comparison", hasGrace: true, omission: .comparison), .lineage),
        (FleetCase(name: "N4: silence", omission: .silence), .once),
        (FleetCase(name: "N5: healing", faults: [.lostWrite: 1], omission: .healing), .available),
        (
            FleetCase(
                name: "N6: the whole value",
                rotations: 1,
                faults: [.lostWrite: 1, .death: 1],
                omission: .wholeValue
            ), .lineage
        ),
        (
            FleetCase(name: "N7: eras", rotations: 1, faults: [.login: 1, .lostWrite: 1], omission: .era), .available
        ),
        (
            FleetCase(
                name: "N8: memory of a claim",
                rotations: 1,
                killsFamilies: true,
                faults: [.lostWrite: 1],
                omission: .memory
            ), .alone
        ),
        (
            FleetCase(
                name: "N9: a claim that is put back",
                rotations: 1,
                killsFamilies: true,
                faults: [.emptied: 1],
                omission: .claim
            ), .whole
        ),
        (
            FleetCase(
                name: "N10: an ear for one's own claim",
                rotations: 1,
                killsFamilies: true,
                faults: [.lostWrite: 1],
                omission: .repair
            ), .current
        ),
        (
            FleetCase(
                name: "N11: the order of claims",
                killsFamilies: true,
                faults: [.restored: 1],
                omission: .order
            ), .whole
        ),
        (
            FleetCase(
                name: "N12: doubt",
                rotations: 1,
                tracksDoubt: true,
                faults: [.death: 1],
                omission: .doubt
            ), .doubted
        ),
        (
            FleetCase(
                name: "N13: the ends of all claims",
                rotations: 1,
                retriesLost: false,
                faults: [.lostMessage: 2],
                omission: .ends
            ), .trusted
        ),
    ]

    /// `config/model` asks for them.
    static var isLong: Bool { getenv("SQUIRE_MODEL") != nil }

    static var long: [FleetCase] {
        let words = getenv("SQUIRE_MODEL").map { String(cString: $0).split(separator: " ").map(String.init) } ?? []
        return words.isEmpty || words == ["all"] ? allLong : chosen(words)
    }

    /// The cases with these numbers.
    static func chosen(_ numbers: [String]) -> [FleetCase] {
        (quick + allLong).filter { fleet in numbers.contains { fleet.name.hasPrefix($0 + ":") } }
    }

    private static let allLong: [FleetCase] = [
        FleetCase(name: "3: two deaths", faults: [.death: 2]),
        FleetCase(name: "4: a death, two unclear answers", faults: [.death: 1, .unclear: 2]),
        FleetCase(name: "5: three unclear answers", faults: [.unclear: 3]),
        FleetCase(
            name: "7: a stop, a death, an unclear answer",
            rotations: 1,
            faults: [.stop: 1, .death: 1, .unclear: 1]
        ),
        FleetCase(
            name: "10: a death, a stop, reuse detection",
            rotations: 1,
            killsFamilies: true,
            faults: [.death: 1, .stop: 1]
        ),
        FleetCase(
            name: "11: a death, an unclear answer, a login",
            rotations: 1,
            faults: [.death: 1, .unclear: 1, .login: 1]
        ),
        FleetCase(
            name: "12: 3 machines, a death, an unclear answer",
            machines: 3,
            rotations: 1,
            faults: [.death: 1, .unclear: 1]
        ),
        FleetCase(name: "13: 3 machines, a death, a stop", machines: 3, rotations: 1, faults: [.death: 1, .stop: 1]),
        FleetCase(
            name: "16: a death, a slow API, 3 claims",
            rotations: 1,
            isSlow: true,
            claims: 3,
            faults: [.death: 1]
        ),
        FleetCase(name: "19: cut off twice", faults: [.cut: 2]),
        FleetCase(
            name: "20: cut off, a death, an unclear answer",
            rotations: 1,
            faults: [.cut: 1, .death: 1, .unclear: 1]
        ),
        FleetCase(name: "22: 3 machines, cut off, a death", machines: 3, rotations: 1, faults: [.cut: 1, .death: 1]),
        FleetCase(name: "23: two deaths, two unclear answers", faults: [.death: 2, .unclear: 2]),
        FleetCase(
            name: "24: a death, cut off, a stop, an unclear answer",
            rotations: 1,
            faults: [.death: 1, .cut: 1, .stop: 1, .unclear: 1]
        ),
        FleetCase(
            name: "25: 3 machines, two deaths, an unclear answer",
            machines: 3,
            rotations: 1,
            faults: [.death: 2, .unclear: 1]
        ),
        FleetCase(
            name: "26: a death, cut off, a login, reuse detection",
            rotations: 1,
            killsFamilies: true,
            faults: [.death: 1, .cut: 1, .login: 1]
        ),
        FleetCase(
            name: "28: a login, a lost write, a death",
            rotations: 1,
            faults: [.login: 1, .lostWrite: 1, .death: 1]
        ),
        FleetCase(
            name: "29: a login, a lost write, an unclear answer",
            rotations: 1,
            faults: [.login: 1, .lostWrite: 1, .unclear: 1]
        ),
        FleetCase(
            name: "35: an answer that news overtake, a lost write",
            rotations: 1,
            faults: [.slowAnswer: 1, .lostWrite: 1]
        ),
        FleetCase(
            name: "43: a lost write, an overtaken answer, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            faults: [.lostWrite: 1, .slowAnswer: 1]
        ),
        FleetCase(
            name: "41: 3 machines, the engine loses a write, an API that detects reuse",
            machines: 3,
            rotations: 1,
            killsFamilies: true,
            faults: [.lostWrite: 1]
        ),
        FleetCase(
            name: "42: 3 machines, it is emptied, an API that detects reuse",
            machines: 3,
            rotations: 1,
            killsFamilies: true,
            faults: [.emptied: 1]
        ),
        FleetCase(
            name: "44: it is emptied, a death, an unclear answer, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            faults: [.emptied: 1, .death: 1, .unclear: 1]
        ),
        FleetCase(
            name: "45: a lost write, it is emptied, a stop, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            faults: [.lostWrite: 1, .emptied: 1, .stop: 1]
        ),
        FleetCase(
            name: "46: it is emptied, two overtaken answers, an API that detects reuse",
            rotations: 1,
            killsFamilies: true,
            faults: [.emptied: 1, .slowAnswer: 2]
        ),
        FleetCase(name: "36: 3 machines, two overtaken answers", machines: 3, rotations: 1, faults: [.slowAnswer: 2]),
        FleetCase(
            name: "37: a death, an overtaken answer, an unclear one",
            rotations: 1,
            faults: [.death: 1, .slowAnswer: 1, .unclear: 1]
        ),
        FleetCase(
            name: "38: a login, two overtaken answers, cut off",
            rotations: 1,
            faults: [.login: 1, .slowAnswer: 2, .cut: 1]
        ),
        FleetCase(
            name: "49: a login and a cut, each value told once",
            rotations: 1,
            hearsOnce: true,
            faults: [.login: 1, .cut: 1]
        ),
        FleetCase(
            name: "53: a login or logout without the engine, a login elsewhere, a death, a cut",
            rotations: 1,
            faults: [.deed: 1, .login: 1, .death: 1, .cut: 1]
        ),
        FleetCase(
            name: "54: a login or logout without the engine, 3 machines, a login elsewhere",
            machines: 3,
            rotations: 1,
            faults: [.deed: 1, .login: 1]
        ),
        FleetCase(
            name: "55: a login or logout without the engine, an unclear answer, a lost write, reuse detection",
            rotations: 1,
            killsFamilies: true,
            faults: [.deed: 1, .unclear: 1, .lostWrite: 1]
        ),
        FleetCase(
            name: "56: a death, an unclear answer, a lost write: who may have sent a refresh",
            rotations: 1,
            tracksDoubt: true,
            faults: [.death: 1, .unclear: 1, .lostWrite: 1]
        ),
        FleetCase(
            name: "57: 3 machines, a death, a lost write: who may have sent a refresh",
            machines: 3,
            rotations: 1,
            tracksDoubt: true,
            faults: [.death: 1, .lostWrite: 1]
        ),
    ]
}
