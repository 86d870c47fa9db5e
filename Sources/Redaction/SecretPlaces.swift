import Support

/// Where tokens are by the configuration, in bodies and in targets, whatever the names there.
public struct SecretPlaces: Sendable {
    /// The names of members and the indices of elements on the way to a place, from the root of a JSON text.
    private let paths: [[[UInt8]]]
    private let parameters: Set<[UInt8]>

    /// There are none.
    public static let none = SecretPlaces(pointers: [], parameters: [])

    /// `pointers` are JSON Pointers (RFC 6901). A string or a number there is secret, in any JSON text; an object or an
    /// array is not, since another text may have one there. `parameters` are names in forms and queries.
    public init(pointers: some Sequence<String>, parameters: some Sequence<String>) {
        paths = pointers.compactMap { JSONPointer.steps(of: $0)?.map { Array($0.utf8) } }
        self.parameters = Set(parameters.map { Array($0.utf8) })
    }

    /// Whether one of the places is `depth` steps from the root, and each of these steps is `isStep` of its level.
    func hasPath(_ depth: Int, _ isStep: (_ level: Int, _ step: [UInt8]) -> Bool) -> Bool {
        paths.contains { path in path.count == depth && path.indices.allSatisfy { isStep($0, path[$0]) } }
    }

    func isParameter(_ name: some Collection<UInt8>) -> Bool {
        !parameters.isEmpty && parameters.contains(Array(name))
    }
}
