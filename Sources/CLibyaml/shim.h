// libyaml for Swift: its event interface, whose events carry line and column.
#ifndef SQUIRE_CLIBYAML_SHIM_H
#define SQUIRE_CLIBYAML_SHIM_H

#include <yaml.h>

#endif
