import SharedSession
import Support

/// What etcd, the API server of Kubernetes, or somebody in between answers: whatever it is, reading it ends, a value is no
/// longer than what brought it, what people are told is in words of Squire's own, and lines do not depend on chunks.
enum EngineAnswerInvariants {
    private static let etcd = EtcdAnswers(key: "squire/x")
    private static let kubernetes = KubernetesAnswers(secret: "squire-x")
    private static let statuses = [
        0, 200, 302, 400, 401, 403, 404, 408, 409, 410, 412, 422, 429, 500, 503, 599, -1, .max,
    ]

    /// The bytes decide under which status they come, and as an answer to what.
    static func check(_ bytes: [UInt8]) throws {
        let chosen = Int(truncatingIfNeeded: hash(bytes) >> 16)
        let status = statuses[chosen % statuses.count]
        try checkEtcd(bytes, status)
        let calls = KubernetesProblem.Call.allCases
        try checkKubernetes(bytes, status, calls[chosen / statuses.count % calls.count])
        try checkLines(bytes)
    }

    private static func checkEtcd(_ bytes: [UInt8], _ status: Int) throws {
        let answer = JSONValue(parsing: bytes)
        if let reading = etcd.reading(answer) {
            try require(reading.revision > 0, "a revision that is none")
            try checkValue(reading.value, bytes)
        }
        for change in [EtcdAnswers.Change.put, .removal] {
            switch etcd.swap(answer, change) {
            case .written(let revision)?: try require(revision > 0, "written at no revision")
            case .conflict(let value)?: try checkValue(value, bytes)
            case nil: break
            }
        }
        if let token = EtcdAnswers.token(answer) {
            let isField = token.utf8.allSatisfy { 0x21...0x7E ~= $0 }
            try require(isField && token.utf8.count <= bytes.count, "a token that cannot be sent")
        }
        try checkFailure(EtcdProblem(status: status, body: bytes).failure)
        try checkFailure(EtcdProblem(text: String(decoding: bytes, as: UTF8.self)).failure)
    }

    private static func checkKubernetes(
        _ bytes: [UInt8],
        _ status: Int,
        _ call: KubernetesProblem.Call
    ) throws {
        try checkValue(kubernetes.listing(bytes)?.secret?.value, bytes)
        try checkValue(kubernetes.written(bytes)?.value, bytes)
        let said = JSONValue(parsing: bytes) ?? .null
        let problem = KubernetesProblem(status: status, said, call: call)
        try require(problem.pause.map { $0 > 0 } ?? true, "a pause that is none")
        try checkFailure(problem.failure)
    }

    private static func checkLines(_ bytes: [UInt8]) throws {
        var (whole, parts) = (StoreLines(), StoreLines())
        let lines = whole.append(bytes)
        var others: [[UInt8]] = []
        var start = 0
        for end in Cuts(bytes) {
            others += parts.append(Array(bytes[start..<end])) ?? []
            start = end
        }
        try require(lines == others, "in other chunks there are other lines")
        for line in others + [bytes] {
            for event in [StoreWatchLine(line, etcd), kubernetes.line(line)] {
                switch event {
                case .changed(let value, _): try checkValue(value, line)
                case .ended(let failure): try checkFailure(failure)
                case .opened, .forgotten, .idle: break
                }
            }
        }
    }

    private static func checkValue(_ value: StoredValue?, _ bytes: [UInt8]) throws {
        guard let value else { return }
        try require(value.bytes.count <= bytes.count, "a value that is longer than what brought it")
        let isShown = value.revision.description.utf8.allSatisfy { 0x21...0x7E ~= $0 }
        try require(isShown, "a revision that cannot be shown")
    }

    private static func checkFailure(_ failure: SharedStoreFailure) throws {
        for text in [failure.detail, failure.advice] {
            let isPlain = text.utf8.allSatisfy { 0x20...0x7E ~= $0 }
            try require(isPlain && (1...300).contains(text.utf8.count), "what people are told is the answer: \(text)")
        }
    }
}
