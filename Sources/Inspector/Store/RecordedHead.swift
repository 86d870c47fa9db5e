import HTTP1
import Redaction
import ReverseProxy

/// Parses heads that Squire has forwarded, so that its parsers have accepted them before.
enum RecordedHead {
    /// As large as any configuration permits.
    private static let limits = HeadLimits(head: 8 << 20, fields: 65_536, target: 4 << 20)

    static func parse(request octets: [UInt8], into head: inout RequestHead) -> Bool {
        var parser = RequestParser(limits: limits)
        if case .complete = parser.parse(octets.span, into: &head) { return true }
        return false
    }

    static func parse(response octets: [UInt8], method: MethodName, into head: inout ResponseHead) -> Bool {
        var parser = ResponseParser(limits: limits)
        if case .complete = parser.parse(octets.span, answering: method, into: &head) { return true }
        return false
    }

    /// The redacted fields, and a list of what was redacted.
    static func fields(
        _ lines: [FieldLine],
        of octets: [UInt8],
        _ current: CurrentRedactor
    ) -> (fields: StoredFields, redactions: [String]) {
        var result = StoredFields()
        var redactions: [String] = []
        for line in lines {
            let name = Array(octets[line.name.range])
            let given = Array(octets[line.value.range])
            let whole = octets[Int(line.name.lowerBound)..<max(Int(line.name.lowerBound), Int(line.value.upperBound))]
            if current.clean.contains(whole) {
                result.append(StoredField(name: name, value: given))
                continue
            }
            let value = current.redactor.field(name, given)
            let shown = current.word(name)
            if shown == name, value.octets == given, value.redactions.isEmpty { current.clean.insert(whole) }
            result.append(StoredField(name: shown, value: value.octets))
            for item in value.redactions where !redactions.contains(item) { redactions.append(item) }
        }
        result.trim()
        return (result, redactions)
    }

    /// The origins of the fields in a head for the upstream.
    static func parts(_ lines: [FieldLine], _ parts: RecordedEvent.HeadParts) -> StoredHeadParts {
        var result = StoredHeadParts()
        for line in lines.dropFirst() {
            let start = Int(line.name.lowerBound)
            if start < parts.madeOffset { result.kept += 1 } else if start < parts.rulesOffset { result.made += 1 }
        }
        return result
    }

    /// The media type and the content coding of a body.
    static func content(_ lines: [FieldLine], of octets: [UInt8]) -> (type: String?, encoding: String?) {
        var (type, encodings): (String?, [String]) = (nil, [])
        for line in lines {
            let value = { String(decoding: octets[line.value.range], as: UTF8.self) }
            switch line.id {
            case .contentType where type == nil: type = value()
            case .contentEncoding: encodings.append(value())
            default: continue
            }
        }
        let encoding = encodings.joined(separator: ", ")
        return (type, encoding.isEmpty || encoding.lowercased() == "identity" ? nil : encoding)
    }
}
