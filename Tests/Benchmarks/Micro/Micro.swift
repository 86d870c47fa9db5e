import EventIO
import Platform

/// `Micro` lists what there is; `Micro NAME COUNT` does it that often and prints nanoseconds for each. Built by
/// `config/bench micro` only.
@main
enum Micro {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard let name = arguments.first else {
            for measure in Measure.all { print("\(measure.name)\t\(measure.summary)") }
            return
        }
        guard let measure = Measure.all.first(where: { $0.name == name }),
            let count = arguments.last.flatMap({ Int($0) }), count > 0
        else {
            print("usage: Micro [NAME COUNT]")
            exit(64)
        }
        for _ in 0..<100 { measure.once() }
        let start = MonotonicClock.now()
        for _ in 0..<count { measure.once() }
        print(Double(MonotonicClock.now() - start) / Double(count))
    }
}
