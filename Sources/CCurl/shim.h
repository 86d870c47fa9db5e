// libcurl for Swift: typed forms of its variadic functions, which Swift cannot call.
#ifndef SQUIRE_CCURL_SHIM_H
#define SQUIRE_CCURL_SHIM_H

#include <sys/types.h>

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

// libcurl copies the string. NULL means "back to the default".
static inline CURLcode ccurl_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

// libcurl keeps the pointer: the bytes must outlive the transfer.
static inline CURLcode ccurl_set_bytes(CURL *easy, CURLoption option, const void *bytes) {
    return curl_easy_setopt(easy, option, bytes);
}

// libcurl keeps the pointer: it must outlive the transfer.
static inline CURLcode ccurl_set_list(CURL *easy, CURLoption option, struct curl_slist *list) {
    return curl_easy_setopt(easy, option, list);
}

static inline CURLcode ccurl_set_share(CURL *easy, CURLSH *share) {
    return curl_easy_setopt(easy, CURLOPT_SHARE, share);
}

static inline CURLcode ccurl_set_error_buffer(CURL *easy, char *buffer) {
    return curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, buffer);
}

static inline CURLcode ccurl_set_close_callback(CURL *easy, curl_closesocket_callback callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, callback);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, context);
}

typedef size_t (*ccurl_data_callback)(char *bytes, size_t size, size_t count, void *context);

// The callback and its context are set together, so that neither can be forgotten.
static inline CURLcode ccurl_set_write_callback(CURL *easy, ccurl_data_callback callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, callback);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_WRITEDATA, context);
}

static inline CURLcode ccurl_set_header_callback(CURL *easy, ccurl_data_callback callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, callback);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_HEADERDATA, context);
}

// Called when all connections are made and the request is about to be sent; not for the CONNECT to a proxy.
static inline CURLcode ccurl_set_sending_callback(CURL *easy, curl_prereq_callback callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, callback);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_PREREQDATA, context);
}

static inline CURLcode ccurl_get_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode ccurl_get_double(CURL *easy, CURLINFO info, double *value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode ccurl_get_socket(CURL *easy, curl_socket_t *socket) {
    return curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, socket);
}

// What libcurl has no option for is asked of OpenSSL, where libcurl is linked to it: its functions are looked up. With another TLS library,
// or none of these functions, connections work, and each reads more often.
static inline void *ccurl_tls_function(const char *name) {
    void *program = dlopen(NULL, RTLD_LAZY);
    return program == NULL ? NULL : dlsym(program, name);
}

// Whether a TLS connection ended with close_notify or broke off (RFC 9112 section 9.8): libcurl before 8.0 calls both an end. OpenSSL
// tells by its info callback (SSL_CTX_set_info_callback(3)). Other TLS libraries make libcurl report an error.
//
// What the running `ccurl_receive` notes it in; nothing is called back outside of one. Each file that includes this has its own: set and
// used by one.
static inline bool **ccurl_close_notify(void) {
    static _Thread_local bool *noted;
    return &noted;
}

static inline void ccurl_tls_event(const void *ssl, int where, int value) {
    (void)ssl;
    // SSL_CB_READ_ALERT, SSL_AD_CLOSE_NOTIFY.
    bool *noted = *ccurl_close_notify();
    if (where == 0x4004 && (value & 0xFF) == 0 && noted != NULL) *noted = true;
}

static inline CURLcode ccurl_tls_begins(CURL *easy, void *context, void *data) {
    (void)easy;
    (void)data;
    void (*watch)(void *, void (*)(const void *, int, int));
    long (*control)(void *, int, long, void *);
    *(void **)&watch = ccurl_tls_function("SSL_CTX_set_info_callback");
    *(void **)&control = ccurl_tls_function("SSL_CTX_ctrl");
    if (watch != NULL) watch(context, ccurl_tls_event);
    if (control == NULL) return CURLE_OK;
    // SSL_CTX_set_read_ahead(3): a record in one read instead of two. Whoever receives asks SSL_has_pending(3) afterwards.
    control(context, 41, 1, NULL);
    // SSL_CTX_clear_mode(3), SSL_MODE_RELEASE_BUFFERS: libcurl has 34 KiB given back and allocated again for each answer.
    control(context, 78, 0x10, NULL);
    return CURLE_OK;
}

// The running libcurl, and the TLS library that it uses.
static inline const curl_version_info_data *ccurl_versions(void) {
    return curl_version_info(CURLVERSION_NOW);
}

// Whether OpenSSL is libcurl's TLS library.
static inline bool ccurl_uses_openssl(void) {
    const curl_version_info_data *version = ccurl_versions();
    return version->ssl_version != NULL && strncmp(version->ssl_version, "OpenSSL/", 8) == 0;
}

// Before connecting: from now on ends are told apart, and records are read ahead. Whether the first of it works.
static inline bool ccurl_prepare_tls(CURL *easy) {
    if (!ccurl_uses_openssl()) return false;
    return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, ccurl_tls_begins) == CURLE_OK;
}

// The connection's `SSL *`, borrowed from it, after it was received from; NULL where there is none or it cannot be known.
static inline void *ccurl_tls_session(CURL *easy) {
    struct curl_tlssessioninfo *info = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL) return NULL;
    return info->backend == CURLSSLBACKEND_OPENSSL ? info->internals : NULL;
}

// `curl_easy_recv` that sets `has_close_notify` when the upstream says that it ends.
static inline CURLcode ccurl_receive(CURL *easy, void *buffer, size_t size, size_t *count, bool *has_close_notify) {
    *ccurl_close_notify() = has_close_notify;
    CURLcode code = curl_easy_recv(easy, buffer, size, count);
    *ccurl_close_notify() = NULL;
    return code;
}

// What the verification of a peer's certificate saw: the peer's own certificate, and the one that the first fault is about, in DER.
// Owns the bytes: see `ccurl_forget_certificates`.
typedef struct {
    // X509_V_ERR_… of the first fault, and how far above the peer's own certificate it lies; 0 without one.
    int fault;
    int depth;
    unsigned char *peer;
    int peer_count;
    unsigned char *faulty;
    int faulty_count;
} ccurl_certificates;

static inline void ccurl_forget_certificates(ccurl_certificates *seen) {
    free(seen->peer);
    free(seen->faulty);
    memset(seen, 0, sizeof *seen);
}

// Where the transfer that this thread drives notes certificates; NULL where nobody asks. Each file that includes this has its own.
static inline ccurl_certificates **ccurl_noted_certificates(void) {
    static _Thread_local ccurl_certificates *noted;
    return &noted;
}

// A copy of an `X509 *` in DER; its length is 0 where there is none, or it is larger than TLS lets it be.
static inline int ccurl_copy_certificate(const void *certificate, unsigned char **bytes) {
    int (*encode)(const void *, unsigned char **);
    *(void **)&encode = ccurl_tls_function("i2d_X509");
    if (encode == NULL || certificate == NULL) return 0;
    int count = encode(certificate, NULL);
    if (count <= 0 || count > 128 * 1024) return 0;
    unsigned char *copy = malloc((size_t)count), *end = copy;
    if (copy == NULL) return 0;
    if (encode(certificate, &end) != count) {
        free(copy);
        return 0;
    }
    free(*bytes);
    *bytes = copy;
    return count;
}

// OpenSSL's verify callback (SSL_CTX_set_verify(3)), once for each certificate and each fault. Looks, and decides nothing.
static inline int ccurl_certificate_seen(int is_good, void *store) {
    ccurl_certificates *seen = *ccurl_noted_certificates();
    if (seen == NULL) return is_good;
    void *(*own)(void *), *(*current)(void *);
    int (*fault)(void *), (*depth)(void *);
    *(void **)&own = ccurl_tls_function("X509_STORE_CTX_get0_cert");
    *(void **)&current = ccurl_tls_function("X509_STORE_CTX_get_current_cert");
    *(void **)&fault = ccurl_tls_function("X509_STORE_CTX_get_error");
    *(void **)&depth = ccurl_tls_function("X509_STORE_CTX_get_error_depth");
    if (own == NULL || current == NULL || fault == NULL || depth == NULL) return is_good;
    int count = ccurl_copy_certificate(own(store), &seen->peer);
    if (count > 0) seen->peer_count = count;
    if (is_good || seen->fault != 0) return is_good;
    seen->fault = fault(store);
    seen->depth = depth(store);
    seen->faulty_count = ccurl_copy_certificate(current(store), &seen->faulty);
    return is_good;
}

static inline CURLcode ccurl_verification_begins(CURL *easy, void *context, void *data) {
    (void)easy;
    (void)data;
    int (*mode)(const void *);
    void (*set)(void *, int, int (*)(int, void *));
    *(void **)&mode = ccurl_tls_function("SSL_CTX_get_verify_mode");
    *(void **)&set = ccurl_tls_function("SSL_CTX_set_verify");
    if (mode != NULL && set != NULL) set(context, mode(context), ccurl_certificate_seen);
    return CURLE_OK;
}

// Before the transfer: what its verification sees is noted, as long as `ccurl_noted_certificates` says where. Nothing is verified less.
static inline void ccurl_watch_certificates(CURL *easy) {
    if (ccurl_uses_openssl()) curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, ccurl_verification_begins);
}

static inline CURLcode ccurl_set_debug_callback(CURL *easy, curl_debug_callback callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, callback);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_DEBUGDATA, context);
}

// Macros of casts, which Swift does not import.
static inline long ccurl_any_authentication(void) {
    return (long)CURLAUTH_ANY;
}

static inline long ccurl_basic_authentication(void) {
    return (long)CURLAUTH_BASIC;
}

// The address of the last connection's other end, borrowed from the handle; NULL without one.
static inline const char *ccurl_primary_address(CURL *easy) {
    char *address = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address) != CURLE_OK || address == NULL) return NULL;
    return address[0] == 0 ? NULL : address;
}

static inline CURLMcode ccurl_multi_set_socket_callback(CURLM *multi, curl_socket_callback callback, void *context) {
    CURLMcode code = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, callback);
    return code != CURLM_OK ? code : curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, context);
}

static inline CURLMcode ccurl_multi_set_timer_callback(CURLM *multi, curl_multi_timer_callback callback,
                                                       void *context) {
    CURLMcode code = curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, callback);
    return code != CURLM_OK ? code : curl_multi_setopt(multi, CURLMOPT_TIMERDATA, context);
}

static inline CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLSHcode ccurl_share_data(CURLSH *share, curl_lock_data data) {
    return curl_share_setopt(share, CURLSHOPT_SHARE, data);
}

static inline CURLcode ccurl_message_result(const CURLMsg *message) {
    return message->data.result;
}

#endif
