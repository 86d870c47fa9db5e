import HTTP1
import ReverseProxy

/// Refuses text that looks like a placeholder but is not one: it would be sent literally, and the mistake would be
/// noticed late.
extension ConfigurationSections {
    /// The placeholders that may occur in a recipe, and `{uuid}` in its headers.
    static func recipePlaceholders(_ recipe: MapReader) -> Set<Template.Placeholder> {
        recipe.has("refresh-token") ? [.token, .refreshToken] : [.token]
    }

    /// The message about an unknown placeholder.
    static func unknown(_ placeholder: String, _ known: Set<Template.Placeholder>) -> String {
        if placeholder == Template.Placeholder.refreshToken.text {
            return "holds {refresh-token}, and session.refresh.refresh-token is missing: where the answer has it, "
                + "such as /refresh_token"
        }
        let names = Template.Placeholder.allCases.filter(known.contains).map(\.text)
        // In a recipe, {refresh-token} may be meant although its key is missing.
        let near = known.contains(.token) ? names + [Template.Placeholder.refreshToken.text] : names
        if let nearest = Spelling.nearest(to: placeholder, among: near) {
            return "holds an unknown placeholder, \"\(placeholder)\": did you mean \(nearest)?"
        }
        return "holds an unknown placeholder, \"\(placeholder)\": only \(names.joined(separator: " and ")) "
            + (names.count == 1 ? "is filled in" : "are filled in")
    }

    /// Checks all texts of the document, and the headers that options set.
    func placeholders() {
        if case .mapping(let document) = root {
            if let fields = document["headers"]?.value { checkFields(fields, "headers", [.uuid]) }
            if case .mapping(let session)? = document["session"]?.value {
                for key in ["sign-in", "sign-out", "anonymous"] { checkPatterns(session[key]?.value, "session.\(key)") }
                if case .mapping(let recipe)? = session["refresh"]?.value { checkRecipe(recipe) }
                if case .mapping(let oauth)? = session["oauth"]?.value { checkURLs(oauth, "session.oauth") }
            }
        }
        checkVariables(root, [])
        for given in overrides.headers {
            if let unknown = Template.unknownPlaceholder(in: given.text, known: [.uuid]) {
                issues.add(Self.unknown(unknown, [.uuid]), source: given.source)
            }
            if let variable = Template.variable(in: given.text) {
                issues.add("holds \(Self.shown(variable)), which nothing fills in", source: given.source)
            }
        }
    }

    private func checkRecipe(_ recipe: YAMLNode.Mapping) {
        let hasRefreshToken =
            recipe["refresh-token"]?.value.isNull == false
            || recipe.entries.contains { entry in
                guard let key = entry.key.text, !Self.refreshKeys.contains(key) else { return false }
                return Spelling.nearest(to: key, among: Self.refreshKeys) == "refresh-token"
            }
        let known: Set<Template.Placeholder> = hasRefreshToken ? [.token, .refreshToken] : [.token]
        if let fields = recipe["headers"]?.value {
            checkFields(fields, "session.refresh.headers", known.union([.uuid]))
        }
        guard let body = recipe["body"]?.value, let text = body.text else { return }
        if let unknown = Template.unknownPlaceholder(in: text, known: known) {
            issues.add("session.refresh.body \(Self.unknown(unknown, known))", at: body)
        }
        let type = contentType(recipe["headers"]?.value) ?? contentType(Self.value(["headers"], in: root))
        if Template.BodyForm(body: text, contentType: type) == .json, let bare = Template(text).unquoted {
            issues.add(
                "session.refresh.body holds \(bare.text) without quotation marks, which JSON needs: \"\(bare.text)\"",
                at: body
            )
        }
    }

    /// The wildcards of patterns are stars; other programs use braces.
    private func checkPatterns(_ patterns: YAMLNode?, _ path: String) {
        guard let patterns else { return }
        if case .sequence(let sequence) = patterns {
            for element in sequence.elements { checkPatterns(element, path) }
        }
        guard let text = patterns.text, let word = Template.unknownPlaceholder(in: text, known: []) else { return }
        issues.add("\(path): \"\(text)\" holds \(word), which means nothing: write * for one segment", at: patterns)
    }

    /// Documentation has URLs with words in braces for people to replace.
    private func checkURLs(_ map: YAMLNode.Mapping, _ path: String) {
        for entry in map.entries {
            let key = entry.key.text ?? ""
            if key == "revocation", case .mapping(let revocation) = entry.value {
                checkURLs(revocation, "\(path).\(key)")
            } else if key.hasSuffix("-endpoint") || ["issuer", "redirect-uri", "url"].contains(key),
                let word = entry.value.text.flatMap({ Template.unknownPlaceholder(in: $0, known: []) })
            {
                issues.add(
                    "\(path).\(key) holds \(word), which nothing fills in: write the value itself",
                    at: entry.key
                )
            }
        }
    }

    private func contentType(_ fields: YAMLNode?) -> String? {
        guard case .mapping(let mapping)? = fields else { return nil }
        return mapping.entries.first { $0.key.text?.lowercased() == "content-type" }.flatMap { Self.text($0.value) }
    }

    /// Checks a map of header fields. `path` is its full key.
    private func checkFields(_ fields: YAMLNode, _ path: String, _ known: Set<Template.Placeholder>) {
        guard case .mapping(let mapping) = fields else { return }
        for entry in mapping.entries {
            guard let text = Self.text(entry.value),
                let unknown = Template.unknownPlaceholder(in: text, known: known)
            else { continue }
            // No part of a secret is repeated.
            let message =
                Self.isSecret(entry.value)
                ? "holds something in braces, which nothing fills in: keep it in a file, {file: PATH}"
                : Self.unknown(unknown, known)
            issues.add("\(path).\(entry.key.text ?? "") \(message)", at: entry.key)
        }
    }

    /// The text of a field's value, which may be in a map.
    private static func text(_ value: YAMLNode) -> String? {
        if case .mapping(let mapping) = value { mapping["value"]?.value.text } else { value.text }
    }

    private static func isSecret(_ value: YAMLNode) -> Bool {
        if case .mapping(let mapping) = value { mapping["secret"]?.value.text == "true" } else { false }
    }

    // MARK: ${…}

    /// The arguments of a command are not checked: it may be a shell.
    private static let notChecked = "exec"
    /// Keys that take `{env: NAME}`.
    private static let secrets = ["client-secret", "private-key", "password", "subject-token"]

    /// `{env: NAME}`, `{file: PATH}` or `{exec: …}` in a text, where it is no reference.
    private static func quotedReference(in text: String) -> String? {
        var rest = Substring(text)
        while let start = rest.firstIndex(of: "{") {
            rest = rest[start...]
            // A command may hold a secret.
            if rest.hasPrefix("{exec:") { return "{exec: …}" }
            let isReference = ["{env:", "{file:"].contains { rest.hasPrefix($0) }
            if isReference, let end = rest.firstIndex(of: "}") { return String(rest[...end]) }
            rest = rest.dropFirst()
        }
        return nil
    }

    private func checkVariables(_ node: YAMLNode, _ path: [String]) {
        switch node {
        case .scalar(let scalar):
            let mayBeSecret = path.contains("headers") || path.contains(where: Self.secrets.contains)
            guard let variable = Template.variable(in: scalar.text) else {
                if mayBeSecret, let reference = Self.quotedReference(in: scalar.text) {
                    let key = path.joined(separator: ".")
                    issues.add(
                        scalar.text.hasPrefix("{") && scalar.text.hasSuffix("}")
                            ? "\(key) holds \(reference) as a text: take the quotation marks away"
                            : "\(key) holds \(reference) within a text, and a reference stands alone: keep the whole "
                                + "value in the variable or the file",
                        at: node
                    )
                } else if mayBeSecret, let name = Self.bareVariable(scalar.text) {
                    let message = "\(path.joined(separator: ".")) holds $\(name), which nothing fills in"
                    issues.add("\(message): write {env: \(name)}", at: node)
                }
                return
            }
            let shown = Self.shown(variable)
            let name = shown.dropFirst(2).dropLast()
            let advice = mayBeSecret && name != "…" ? ": write {env: \(name)}" : ": write the value itself"
            issues.add("\(path.joined(separator: ".")) holds \(shown), which nothing fills in\(advice)", at: node)
        case .sequence(let sequence):
            for element in sequence.elements { checkVariables(element, path) }
        case .mapping(let mapping):
            for entry in mapping.entries where entry.key.text != Self.notChecked {
                checkVariables(entry.value, path + [entry.key.text ?? ""])
            }
        }
    }

    /// The text if it looks like the name of a variable; anything else may be part of a secret.
    private static func shown(_ variable: String) -> String {
        isVariableName(variable.dropFirst(2).dropLast()) ? variable : "${…}"
    }

    /// The name if the whole text is `$NAME`, a shell variable. A text that only begins so may be a secret.
    private static func bareVariable(_ text: String) -> Substring? {
        guard text.hasPrefix("$"), let first = text.dropFirst().first, !first.isNumber else { return nil }
        return isVariableName(text.dropFirst()) ? text.dropFirst() : nil
    }

    private static func isVariableName(_ name: Substring) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, UInt8(ascii: "_"): true
                default: false
                }
            }
    }
}
