internal import CCurl

/// Tries the files that `UpstreamSettings` names, before a connection needs them.
///
/// With the functions that libcurl itself will call, where it is linked to OpenSSL: what passes here will do there, and
/// the reason is OpenSSL's own. With another TLS library nothing is found wrong.
public enum TLSFiles {
    public enum Problem: Equatable, Sendable {
        /// The file cannot be read as what it should be; the text is OpenSSL's reason, which holds nothing of the file.
        case authorities(String)
        case certificate(String)
        case key(String)
        /// The key is not the certificate's.
        case mismatch
    }

    /// What is wrong with the files, each looked at for itself; `key` nil means that the certificate's file has it,
    /// too.
    public static func problems(authorities: String?, certificate: String?, key: String?) -> [Problem] {
        guard let library = Library.shared else { return [] }
        var problems: [Problem] = []
        if let authorities, let reason = library.reason({ library.loadAuthorities($0, authorities, nil) }) {
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
    typealias Method = @convention(c) () -> UnsafeRawPointer?
    typealias Make = @convention(c) (UnsafeRawPointer?) -> Context?
    typealias Free = @convention(c) (Context) -> Void
    typealias Answer = @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32
    typealias SetAnswer = @convention(c) (Context, Answer?) -> Void
    typealias LoadAuthorities = @convention(c) (Context, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Int32
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
    let loadAuthorities: LoadAuthorities
    let useCertificate: UseCertificate
    let useKey: UseKey
    let checkKey: CheckKey
    let lastError: LastError
    let reasonText: Reason
    let clearErrors: ClearErrors

    /// `SSL_FILETYPE_PEM`
    static let pem: Int32 = 1
    /// Nil where libcurl uses another library, or one of the functions is not there.
    static let shared = Library()

    private init?() {
        func find<Function>(_ name: String) -> Function? {
            ccurl_tls_function(name).map { unsafeBitCast($0, to: Function.self) }
        }
        guard ccurl_uses_openssl(), let method: Method = find("TLS_client_method"),
            let make: Make = find("SSL_CTX_new"),
            let free: Free = find("SSL_CTX_free"),
            let setAnswer: SetAnswer = find("SSL_CTX_set_default_passwd_cb"),
            let loadAuthorities: LoadAuthorities = find("SSL_CTX_load_verify_locations"),
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
        self.loadAuthorities = loadAuthorities
        self.useCertificate = useCertificate
        self.useKey = useKey
        self.checkKey = checkKey
        self.lastError = lastError
        self.reasonText = reasonText
        self.clearErrors = clearErrors
    }

    /// OpenSSL's reason when `load` gives anything but 1; nil when it succeeds.
    func reason(_ load: (Context) -> Int32) -> String? {
        clearErrors()
        defer { clearErrors() }
        guard let context = make(method()) else { return nil }
        defer { free(context) }
        // Nobody is asked for a pass phrase.
        setAnswer(context) { _, _, _, _ in -1 }
        if load(context) == 1 { return nil }
        return reasonText(lastError()).map { String(cString: $0) } ?? "it cannot be read"
    }
}
