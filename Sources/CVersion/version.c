#include "cversion.h"

const char *cversion_commit(void) { return SQUIRE_COMMIT; }
