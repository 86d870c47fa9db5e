import Foundation
import Testing

@testable import Credentials
@testable import HTTP1
@testable import Inspector
@testable import ReverseProxy
@testable import Settings
@testable import TokenSources

/// The page about limits says what the program does. What a key sets is compared in `PagesTests`.
@Suite struct LimitsPageTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// `64 KiB`, as the page has it.
    private static func size(_ bytes: Int) -> String {
        let text = Quantity.text(bytes: bytes)
        return "\(text.prefix { $0.isNumber }) \(text.drop { $0.isNumber })"
    }

    private static func seconds(_ nanoseconds: UInt64) -> String { "\(nanoseconds / 1_000_000_000) s" }

    /// `1,024`
    private static func words(_ count: Int) -> String {
        count < 1000 ? "\(count)" : "\(count / 1000),\(String(count % 1000 + 1000).dropFirst())"
    }

    /// What a row is about, by its beginning, and what it says, in its order.
    private static let rows: [(about: String, says: [String])] = {
        let (response, whole) = (ExchangeRunner.responseLimits, ReplayBudget.whole)
        let (inspector, busy) = (InspectorSettings(), InspectorServer.maxConnections - InspectorServer.keptForHealth)
        let watching = Int(InnerClient.longestTime.components.seconds)
        return [
            ("answer head", [size(response.head), "\(response.fields) fields"]),
            ("a client that has closed its connection", [seconds(ClientConnection.presenceNanoseconds)]),
            (
                "connections to the upstream that are begun",
                ["\(UpstreamPool.startsPerTurn) every \(UpstreamPool.turnNanoseconds / 1_000_000) ms"]
            ),
            ("idle connections to the upstream", ["`limits.connections`, \(Worker.maxIdleUpstreams) at most"]),
            ("all of those together", [size(whole.memory), size(whole.file)]),
            (
                "of an answer that the client does not read",
                [size(ClientStream.outputWindow), size(ExchangeRunner.uploadWindow)]
            ),
            (
                "of a response in which a rule",
                [size(ExchangeRunner.verdictLimit), seconds(ProxyContext.Intervals.verdictNanoseconds)]
            ),
            ("the answer to a sign-in or a sign-out", [size(ExchangeRunner.collectLimit)]),
            (
                "interim responses",
                ["\(ExchangeRunner.maximumInterimResponses);", size(ExchangeRunner.interimWindow)]
            ),
            ("chunk extensions, trailers", [size(ChunkedDecoder.maxExtensionBytes)]),
            ("a token", [size(Token.maxBytes)]),
            ("the answer of an authorization server", [size(TokenEndpoint.maxBytes), size(CommandRunner.maxOutput)]),
            ("the configuration; a session file", [size(TextFile.maximumSize), size(SessionFile.maximumBytes)]),
            ("requests that wait for one refresh", [words(Session.State.maximumWaiters)]),
            ("refusals in the log", ["\(RefusalLimiter.linesPerSecond) a second", size(LogWriter.capacity)]),
            ("connections of the inspector", ["\(InspectorServer.maxConnections)", "\(busy)"]),
            ("exchanges that the inspector keeps", [size(inspector.keep), size(inspector.body)]),
            (
                "requests that the inspector sends itself",
                ["\(InspectorServer.maximumSending)", Quantity.words(seconds: watching)]
            ),
        ]
    }()

    @Test func everyRowIsWhatTheProgramDoes() throws {
        let page = Self.root.appending(path: "Sources/squire/squire.docc/Limits.md")
        let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n")
        let table = lines.filter { $0.hasPrefix("| ") }.dropFirst()
            .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        #expect(table.count >= 20)
        var rest = Self.rows
        for row in table {
            guard let index = rest.firstIndex(where: { row[0].hasPrefix($0.about) }) else {
                #expect(row[0].contains("`limits.") || row[0].contains("`timeouts."), "nothing compares: \(row[0])")
                continue
            }
            var text = row[1][...]
            for word in rest[index].says {
                let found = text.firstRange(of: word)
                #expect(found != nil, "\(row[0]): \(word)")
                text = found.map { text[$0.upperBound...] } ?? text
            }
            rest.remove(at: index)
        }
        #expect(rest.isEmpty, "\(rest.map(\.about))")
        #expect(TokenEndpoint.maxBytes == Discovery.maxBytes && CommandRunner.maxOutput == SecretReader.maxBytes)
        #expect(ChunkedDecoder.maxExtensionBytes == ChunkedDecoder.maxTrailerBytes)
    }
}
