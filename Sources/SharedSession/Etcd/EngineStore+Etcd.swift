extension EngineStore {
    /// etcd v3, by its JSON gateway. Nil without an endpoint. `observe` hears of what people may want to know, on threads
    /// of the store.
    public convenience init?(_ options: EtcdOptions, observe: @escaping @Sendable (EtcdNotice) -> Void = { _ in }) {
        guard let client = EtcdClient(options, observe: observe) else { return nil }
        self.init(client)
    }
}
