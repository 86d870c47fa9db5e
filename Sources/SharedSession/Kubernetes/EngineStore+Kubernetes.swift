extension EngineStore {
    /// A Secret of a Kubernetes cluster. Nil where the names cannot be those of a namespace and a Secret. `observe` hears
    /// of what people may want to know, on threads of the store.
    ///
    /// A write is a JSON Patch (RFC 6902) that the API server applies whole or not at all: it tests the Secret's `uid`,
    /// its `resourceVersion` and the value in each of its bytes, and replaces the value. So it compares what etcd's
    /// transaction compares, also after the cluster was restored from a backup and uses a `resourceVersion` again. Only
    /// the making of a Secret is compared by its name alone. `remove` leaves the Secret there, without its value: it may
    /// be somebody else's, and no right to delete Secrets is needed.
    public convenience init?(
        _ options: KubernetesOptions,
        observe: @escaping @Sendable (KubernetesNotice) -> Void = { _ in }
    ) {
        guard let client = KubernetesClient(options, observe: observe) else { return nil }
        self.init(client)
    }
}
