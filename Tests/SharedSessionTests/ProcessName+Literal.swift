@testable import SharedSession

/// The names of tests are visible ASCII.
extension ProcessName: ExpressibleByStringLiteral {
    init(stringLiteral name: StaticString) {
        self.init("\(name)")!
    }
}
