import ReverseProxy

/// `inspector`: an address, or a map of what it is told.
extension ConfigurationSections {
    mutating func inspector(_ root: MapReader, _ settings: inout InspectorSettings) {
        let expected = "must be HOST:PORT, unix:PATH or \"off\""
        var map = root
        var key = "inspector"
        if case .mapping? = root.node(key) {
            guard let inner = root.map(key, keys: ["listen", "keep", "body", "record"]) else { return }
            (map, key) = (inner, "listen")
            settings.keep = inner.size("keep", InspectorSettings.keepRange) ?? settings.keep
            settings.body = inner.size("body", InspectorSettings.bodyRange) ?? settings.body
            settings.record = recording(inner) ?? settings.record
        }
        if let given = overrides.inspector {
            inspectorIsDefault = false
            guard let address = Self.address(given.text) else { return issues.add(expected, source: given.source) }
            addressSources.inspector = given.source
            settings.listen = address
        } else if let text = map.string(key) {
            inspectorIsDefault = false
            guard let address = Self.address(text) else { return map.fail(key, expected) }
            addressSources.inspector = map.node(key).map(issues.place)
            settings.listen = address
        }
    }

    private func recording(_ map: MapReader) -> Recordings.Mode? {
        let modes = Recordings.Mode.allCases.map(\.rawValue).joined(separator: ", ")
        return map.value("record", "one of \(modes)") { Self.isOff($0) ? .off : Recordings.Mode(rawValue: $0) }
    }

    /// The inner nil means "off".
    private static func address(_ text: String) -> ListenAddress?? {
        if isOff(text) { return .some(nil) }
        // One address, unlike the proxy's `localhost`: who asks it by that name tries both.
        if case .tcp("localhost", let port)? = ListenAddress(text) { return .tcp(host: "127.0.0.1", port: port) }
        return ListenAddress(text).map { .some($0) }
    }

    /// YAML 1.1 reads a bare `off` as false.
    private static func isOff(_ text: String) -> Bool { ["off", "false", "no"].contains(text) }
}
