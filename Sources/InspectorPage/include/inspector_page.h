// The files of the inspector's page, as they are in the program's read-only memory.
#ifndef INSPECTOR_PAGE_H
#define INSPECTOR_PAGE_H

#include <stddef.h>

typedef struct {
    /// The last part of its path: `app.js`.
    const char *name;
    /// Its media type.
    const char *type;
    const unsigned char *bytes;
    size_t size;
} inspector_page_file;

/// All of them, in a fixed order; `count` is how many.
const inspector_page_file *inspector_page_files(size_t *count);

#endif
