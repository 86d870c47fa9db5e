extension EngineStore {
    /// A store in etcd v3, through its JSON gateway. Nil if `options` names no endpoint. `observe` receives notices for
    /// people, on the store's threads.
    public convenience init?(_ options: EtcdOptions, observe: @escaping @Sendable (EtcdNotice) -> Void = { _ in }) {
        guard let client = EtcdClient(options, observe: observe) else { return nil }
        self.init(client)
    }
}
