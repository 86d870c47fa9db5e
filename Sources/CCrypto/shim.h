// OpenSSL's libcrypto for Swift: of 3.0 and newer, without what that calls deprecated.
#ifndef SQUIRE_CCRYPTO_SHIM_H
#define SQUIRE_CCRYPTO_SHIM_H

// What is deprecated is not declared.
#define OPENSSL_NO_DEPRECATED

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

// A macro of macros, which Swift does not import: a private key with its public one.
static inline int ccrypto_key_pair(void) {
    return EVP_PKEY_KEYPAIR;
}

#endif
