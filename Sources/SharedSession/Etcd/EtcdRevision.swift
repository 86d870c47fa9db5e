/// What etcd calls `mod_revision`.
extension StoreRevision {
    init(etcd revision: Int64) { self.init(String(revision)) }

    /// Nil for what is no revision of etcd.
    var etcd: Int64? { Int64(description) }
}
