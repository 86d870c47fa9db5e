import Platform
import Support

/// Members of a real etcd, which `etcd.py` of the scenarios runs. They end with this object, or with the test's process.
final class RealEtcd {
    static let isInstalled = found("etcd") && found("etcdctl")

    private(set) var urls: [String] = []
    private var directory = ""
    private let script: Script

    /// One member without anything, or three with TLS, client certificates and the user `squire`.
    init(members: Int) throws {
        script = try Script("etcd.py", "\(members)")
        let first = try script.reply()
        guard case .array(let urls)? = first["urls"], let directory = first["directory"]?.string else {
            throw SystemError("etcd does not start: \(first.serialized())")
        }
        self.urls = urls.compactMap(\.string)
        self.directory = directory
    }

    /// Waits until the members have ended.
    func stop() { script.stop() }

    func file(_ name: String) -> String { "\(directory)/\(name)" }

    /// What `obey` of the script says.
    @discardableResult
    func obey(_ command: String) throws -> String {
        script.send(command)
        let reply = try script.reply()
        guard let text = reply["ok"]?.string else { throw SystemError("\(command): \(reply.serialized())") }
        return text
    }

    private static func found(_ command: String) -> Bool {
        guard let path = getenv("PATH") else { return false }
        return String(cString: path).split(separator: ":").contains { access("\($0)/\(command)", X_OK) == 0 }
    }
}
