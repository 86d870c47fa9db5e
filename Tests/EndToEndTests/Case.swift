import Testing

/// One case of the scenarios, by the name that Python's unittest gives it: `test_wire.Wire.test_methods`.
struct Case: Hashable, Codable, Sendable, CustomTestStringConvertible {
    let name: String
    /// It measures what others would disturb.
    let isAlone: Bool

    var testDescription: String { name }

    /// The cases there are, as the files themselves have them: all of them, or those that `SQUIRE_CASE` names. If they
    /// cannot be had, one that fails and says why.
    static let all: [Case] = {
        let list = Python.run("list")
        guard list.status == 0 else { return [Case(name: "no cases: \(list.output)", isAlone: false)] }
        let found = list.output.split(separator: "\n").map { line in
            Case(name: String(line.split(separator: " ").last ?? ""), isAlone: line.hasPrefix("alone "))
        }
        guard let wanted = environment("SQUIRE_CASE") else { return found }
        let chosen = found.filter { wanted.split(separator: ",").contains(where: $0.isPart) }
        return chosen.isEmpty ? [Case(name: "no case is named by SQUIRE_CASE=\(wanted)", isAlone: false)] : chosen
    }()

    /// Whether `path` names this case, its class or its file; the case or the class may stand for itself.
    private func isPart(of path: Substring) -> Bool {
        let parts = name.split(separator: ".")
        let wanted = path.split(separator: ".")
        return parts.indices.contains { parts[$0...].starts(with: wanted) }
    }

    /// Runs it, in a process of its own, as often as `SQUIRE_REPEAT` says, until it fails.
    func run() async -> Python.Result {
        var result = Python.Result(status: 0, output: "")
        for _ in 0..<max(1, environment("SQUIRE_REPEAT").flatMap(Int.init) ?? 1) where result.status == 0 {
            result = await Slots.shared.use(isAlone: isAlone) { Python.run("run \(name)") }
        }
        return result
    }
}

/// Four cases at a time: most of what they do is to wait. One that is alone has all places, when no other waits for
/// one.
actor Slots {
    static let shared = Slots()

    private static let count = 4
    private var free = Slots.count
    private var waiting: [(needs: Int, continuation: CheckedContinuation<Void, Never>)] = []

    /// Runs `work`, which blocks, on a thread of its own.
    func use<Value: Sendable>(isAlone: Bool, _ work: @escaping @Sendable () -> Value) async -> Value {
        let needs = isAlone ? Self.count : 1
        await withCheckedContinuation { continuation in
            waiting.append((needs, continuation))
            admit()
        }
        let value = await withCheckedContinuation { continuation in
            Python.onThread { continuation.resume(returning: work()) }
        }
        free += needs
        admit()
        return value
    }

    private func admit() {
        // The least demanding first: those that are alone come last, and keep nobody waiting.
        while let index = waiting.indices.min(by: { waiting[$0].needs < waiting[$1].needs }) {
            guard waiting[index].needs <= free else { return }
            let next = waiting.remove(at: index)
            free -= next.needs
            next.continuation.resume()
        }
    }
}
