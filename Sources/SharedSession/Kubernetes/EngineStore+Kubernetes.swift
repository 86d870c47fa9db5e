extension EngineStore {
    /// A store in a Secret of a Kubernetes cluster. Nil if the names are not valid for a namespace and a Secret.
    /// `observe` receives notices for people, on the store's threads.
    ///
    /// A write is a JSON Patch (RFC 6902), which the API server applies completely or not at all. It tests the Secret's
    /// `uid`, its `resourceVersion` and all octets of the value before it replaces the value. That is as strict as
    /// etcd's transaction, even after the cluster was restored from a backup and reuses a `resourceVersion`. Only the
    /// creation of a Secret compares nothing but the name. `remove` deletes the value and keeps the Secret, which may
    /// belong to somebody else; so no permission to delete Secrets is needed.
    public convenience init?(
        _ options: KubernetesOptions,
        observe: @escaping @Sendable (KubernetesNotice) -> Void = { _ in }
    ) {
        guard let client = KubernetesClient(options, observe: observe) else { return nil }
        self.init(client)
    }
}
