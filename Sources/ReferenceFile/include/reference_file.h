// config/reference.yaml, as it is in the program's read-only memory.
#ifndef REFERENCE_FILE_H
#define REFERENCE_FILE_H

#include <stddef.h>

/// UTF-8, without an end of its own; `size` is how many bytes it has.
const unsigned char *reference_file(size_t *size);

#endif
