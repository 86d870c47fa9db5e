// Which Squire this is.
#ifndef SQUIRE_CVERSION_H
#define SQUIRE_CVERSION_H

// The commit that it was built from, or `unknown`.
const char *cversion_commit(void);

#endif
