import ReverseProxy

/// Reads `session.rejected` and `session.refresh.refused`: the responses that mean that a token is rejected.
extension ConfigurationSections {
    /// Reads a rule on responses, a status or a map, or a list of them; nil if the key is missing. `name` is the full
    /// key for messages.
    func rejections(_ map: MapReader, _ key: String, of name: String) -> [SessionConfiguration.Rejection]? {
        guard let node = map.node(key) else { return nil }
        guard case .sequence(let sequence) = node else { return rejection(node, name).map { [$0] } }
        return sequence.elements.compactMap { rejection($0, name) }
    }

    private func rejection(_ element: YAMLNode, _ name: String) -> SessionConfiguration.Rejection? {
        if case .scalar(let scalar) = element {
            guard let status = Int(scalar.text), (400...599).contains(status) else {
                let isList = scalar.text.contains(",") ? ": a list is [401, 403]" : ""
                issues.add("\(name): \"\(scalar.text)\" is not a status from 400 to 599\(isList)", at: element)
                return nil
            }
            return .init(status: status)
        }
        let keys = ["status", "www-authenticate", "pointer", "equals"]
        guard let map = MapReader(element, prefix: name + ".", keys: keys, issues: issues) else { return nil }
        guard let status = map.count("status", 200...599) else {
            if !map.has("status") { issues.add("\(name) needs a status", at: element) }
            return nil
        }
        let pointer = pointer(map, "pointer", suchAs: nil)
        let challenge = map.value("www-authenticate", "a part of that field") { $0.isEmpty ? nil : $0 }
        guard let pointer else {
            if map.has("pointer") { return nil }
            if map.node("equals") != nil { issues.add("\(name): equals needs a pointer", at: element) }
            if status < 300 {
                issues.add(
                    "\(name): a 2xx status needs `pointer` and `equals`",
                    at: element
                )
            }
            return .init(status: status, challenge: challenge)
        }
        guard let expected = expected(map, element, name) else { return nil }
        return .init(status: status, challenge: challenge, body: .init(pointer: pointer, equals: expected))
    }

    /// The texts, numbers or booleans of `equals` as written; nil if there is none.
    private func expected(_ map: MapReader, _ element: YAMLNode, _ name: String) -> [String]? {
        guard map.node("equals") != nil else {
            if !map.has("equals") { issues.add("\(name): a pointer needs equals", at: element) }
            return nil
        }
        guard let values = map.list("equals") else { return nil }
        for value in values where value.node.isNull {
            issues.add("\(name).equals holds nothing: it takes a text, a number, true or false", at: value.node)
        }
        if values.isEmpty { map.fail("equals", "must name at least one value") }
        return values.isEmpty ? nil : values.map(\.text)
    }
}
