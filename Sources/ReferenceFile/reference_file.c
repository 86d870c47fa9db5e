// #embed is C23: the file is compiled in, and compiled again when it changes.
#pragma clang diagnostic ignored "-Wc23-extensions"

#include "reference_file.h"

static const unsigned char text[] = {
#embed "../../config/reference.yaml"
};

const unsigned char *reference_file(size_t *size) {
    *size = sizeof text;
    return text;
}
