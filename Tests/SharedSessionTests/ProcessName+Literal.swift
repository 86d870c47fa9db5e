public import Credentials

/// The names of tests are visible ASCII.
extension ProcessName: ExpressibleByStringLiteral {
    public init(stringLiteral name: StaticString) {
        self.init("\(name)")!
    }
}
