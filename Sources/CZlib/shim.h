// zlib in Swift: `inflateInit2` is a macro.
#ifndef SQUIRE_CZLIB_SHIM_H
#define SQUIRE_CZLIB_SHIM_H

#include <zlib.h>

// Prepares to read gzip or zlib data (15 + 32 of inflateInit2).
static inline int czlib_inflate_init(z_stream *stream) {
    return inflateInit2(stream, 15 + 32);
}

// Prepares to read deflate data without a frame (-15 of inflateInit2).
static inline int czlib_inflate_init_bare(z_stream *stream) {
    return inflateInit2(stream, -15);
}

#endif
