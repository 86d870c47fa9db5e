// zlib in Swift: `inflateInit2` is a macro.
#ifndef SQUIRE_CZLIB_SHIM_H
#define SQUIRE_CZLIB_SHIM_H

#include <zlib.h>

// Prepares to read gzip or zlib data (15 + 32 of inflateInit2).
static inline int czlib_inflate_init(z_stream *stream) {
    return inflateInit2(stream, 15 + 32);
}

#endif
