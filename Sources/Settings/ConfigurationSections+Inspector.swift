import EventIO
import ReverseProxy

/// Reads `inspector`: an address, or a map of settings.
extension ConfigurationSections {
    mutating func inspector(_ root: MapReader, _ settings: inout InspectorSettings) {
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
            guard let address = address(given.text, in: ".") else {
                return issues.add(
                    AddressForm.problem(given.text, AddressForm.inspector) ?? AddressForm.inspector,
                    source: given.source
                )
            }
            if let problem = address.flatMap(AddressForm.problem) {
                return issues.add(problem, source: given.source)
            }
            addressSources.inspector = given.source
            settings.listen = address
        } else if let text = map.string(key) {
            inspectorIsDefault = false
            guard let address = address(text, in: directory) else {
                return map.fail(key, AddressForm.problem(text, AddressForm.inspector) ?? AddressForm.inspector)
            }
            if let problem = address.flatMap(AddressForm.problem) { return map.fail(key, problem) }
            addressSources.inspector = map.node(key).map(issues.place)
            settings.listen = address
        }
    }

    private func recording(_ map: MapReader) -> Recordings.Mode? {
        let modes = Recordings.Mode.allCases.map(\.rawValue).joined(separator: ", ")
        return map.value("record", "one of \(modes)") { AddressForm.isOff($0) ? .off : Recordings.Mode(rawValue: $0) }
    }

    /// The inner nil means "off". Relative paths are resolved in `directory`.
    private func address(_ text: String, in directory: String) -> ListenAddress?? {
        if AddressForm.isOff(text) { return .some(nil) }
        guard let address = AddressForm.address(text) else { return nil }
        // Only one address, unlike the proxy's `localhost`: clients that use the name try both.
        if case .tcp("localhost", let port) = address { return .tcp(host: "127.0.0.1", port: port) }
        return .some(place(address, in: directory))
    }
}
