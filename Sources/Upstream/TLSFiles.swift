internal import CCurl

/// Loads the files that `UpstreamSettings` names, before a connection needs them.
///
/// Uses the functions that libcurl itself calls, if it is linked to OpenSSL: a file that passes here works there, and
/// the reason for a failure is OpenSSL's own. With another TLS library no problem is reported.
public enum TLSFiles {
    public enum Problem: Equatable, Sendable {
        /// The file does not contain what it should; the text is OpenSSL's reason, which quotes nothing from the file.
        case authorities(String)
        case certificate(String)
        case key(String)
        /// The key does not belong to the certificate.
        case mismatch
    }

    /// The problems of the files, each checked by itself; `key` nil means that the certificate's file contains the key,
    /// too.
    public static func problems(authorities: String?, certificate: String?, key: String?) -> [Problem] {
        guard let library = Library.shared else { return [] }
        var problems: [Problem] = []
        if let authorities, let reason = library.authoritiesReason(authorities) {
            problems.append(.authorities(reason))
        }
        guard let certificate else { return problems }
        let keyFile = key ?? certificate
        let certificateReason = library.reason { library.useCertificate($0, certificate) }
        if let certificateReason { problems.append(.certificate(certificateReason)) }
        let keyReason = library.reason { library.useKey($0, keyFile, Library.pem) }
        if let keyReason { problems.append(.key(keyReason)) }
        guard certificateReason == nil, keyReason == nil else { return problems }
        let together = library.reason { context in
            guard library.useCertificate(context, certificate) == 1 else { return 0 }
            guard library.useKey(context, keyFile, Library.pem) == 1 else { return 0 }
            return library.checkKey(context)
        }
        if together != nil { problems.append(.mismatch) }
        return problems
    }
}

/// The functions of OpenSSL that read files.
private struct Library: Sendable {
    /// `SSL_CTX *`
    typealias Context = UnsafeMutableRawPointer
    /// `X509_STORE *`
    typealias Store = UnsafeMutableRawPointer
    typealias Method = @convention(c) () -> UnsafeRawPointer?
    typealias Make = @convention(c) (UnsafeRawPointer?) -> Context?
    typealias Free = @convention(c) (Context) -> Void
    typealias Answer = @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32
    typealias SetAnswer = @convention(c) (Context, Answer?) -> Void
    typealias MakeStore = @convention(c) () -> Store?
    typealias FreeStore = @convention(c) (Store) -> Void
    typealias LoadAuthorities = @convention(c) (Store, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Int32
    typealias UseCertificate = @convention(c) (Context, UnsafePointer<CChar>?) -> Int32
    typealias UseKey = @convention(c) (Context, UnsafePointer<CChar>?, Int32) -> Int32
    typealias CheckKey = @convention(c) (Context) -> Int32
    typealias LastError = @convention(c) () -> UInt
    typealias Reason = @convention(c) (UInt) -> UnsafePointer<CChar>?
    typealias ClearErrors = @convention(c) () -> Void

    let method: Method
    let make: Make
    let free: Free
    let setAnswer: SetAnswer
    let makeStore: MakeStore
    let freeStore: FreeStore
    let loadAuthorities: LoadAuthorities
    let useCertificate: UseCertificate
    let useKey: UseKey
    let checkKey: CheckKey
    let lastError: LastError
    let reasonText: Reason
    let clearErrors: ClearErrors

    /// `SSL_FILETYPE_PEM`
    static let pem: Int32 = 1
    /// Nil if libcurl uses another library, or a function is missing.
    static let shared = Library()

    private init?() {
        func find<Function>(_ name: String) -> Function? {
            ccurl_tls_function(name).map { unsafeBitCast($0, to: Function.self) }
        }
        guard ccurl_uses_openssl(), let method: Method = find("TLS_client_method"),
            let make: Make = find("SSL_CTX_new"),
            let free: Free = find("SSL_CTX_free"),
            let setAnswer: SetAnswer = find("SSL_CTX_set_default_passwd_cb"),
            let makeStore: MakeStore = find("X509_STORE_new"),
            let freeStore: FreeStore = find("X509_STORE_free"),
            let loadAuthorities: LoadAuthorities = find("X509_STORE_load_locations"),
            let useCertificate: UseCertificate = find("SSL_CTX_use_certificate_chain_file"),
            let useKey: UseKey = find("SSL_CTX_use_PrivateKey_file"),
            let checkKey: CheckKey = find("SSL_CTX_check_private_key"),
            let lastError: LastError = find("ERR_peek_last_error"),
            let reasonText: Reason = find("ERR_reason_error_string"),
            let clearErrors: ClearErrors = find("ERR_clear_error")
        else { return nil }
        self.method = method
        self.make = make
        self.free = free
        self.setAnswer = setAnswer
        self.makeStore = makeStore
        self.freeStore = freeStore
        self.loadAuthorities = loadAuthorities
        self.useCertificate = useCertificate
        self.useKey = useKey
        self.checkKey = checkKey
        self.lastError = lastError
        self.reasonText = reasonText
        self.clearErrors = clearErrors
    }

    /// OpenSSL's reason why the file of authorities cannot be loaded; nil if it can.
    ///
    /// Loads into an `X509_STORE` of its own, as `SSL_CTX_load_verify_locations` does into that of its context. Making a
    /// context has OpenSSL look up each of its algorithms, which was a quarter of a start's instructions, and which a
    /// plain upstream never needs.
    func authoritiesReason(_ file: String) -> String? {
        clearErrors()
        defer { clearErrors() }
        guard let store = makeStore() else { return nil }
        defer { freeStore(store) }
        return loadAuthorities(store, file, nil) == 1 ? nil : lastReason
    }

    /// OpenSSL's reason if `load` returns anything but 1; nil if it succeeds.
    func reason(_ load: (Context) -> Int32) -> String? {
        clearErrors()
        defer { clearErrors() }
        guard let context = make(method()) else { return nil }
        defer { free(context) }
        // Answers every request for a pass phrase with none, so that no prompt appears.
        setAnswer(context) { _, _, _, _ in -1 }
        return load(context) == 1 ? nil : lastReason
    }

    private var lastReason: String {
        reasonText(lastError()).map { String(cString: $0) } ?? "it cannot be read"
    }
}
