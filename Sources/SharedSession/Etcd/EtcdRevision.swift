/// etcd's revisions, which it calls `mod_revision`.
extension StoreRevision {
    init(etcd revision: Int64) { self.init(String(revision)) }

    /// Nil if this is not a revision of etcd.
    var etcd: Int64? { Int64(description) }
}
