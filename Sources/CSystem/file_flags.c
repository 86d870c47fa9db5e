#ifdef __linux__
#define _GNU_SOURCE  // statx(2)
#endif
#include "csystem.h"

#ifdef __linux__
#include <fcntl.h>
#include <sys/stat.h>

int csystem_is_unchangeable(const char *path) {
    struct statx file;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &file) != 0) return -1;
    return (file.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
}
#else
int csystem_is_unchangeable(const char *path) {
    (void)path;
    return -1;
}
#endif
