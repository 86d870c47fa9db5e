import ReverseProxy

extension ConfigurationSections {
    /// Reads `session.probe`. Call after the paths that it must not name have been read.
    func probe(_ session: MapReader, _ result: inout SessionConfiguration) {
        guard let text = session.string("probe") else { return }
        do throws(SessionConfiguration.Probe.Malformed) {
            let probe = try SessionConfiguration.Probe(parsing: text)
            if let problem = result.problem(of: probe) { return session.fail("probe", problem) }
            result.probe = probe
        } catch {
            session.fail("probe", error.reason)
        }
    }
}
