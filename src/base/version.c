/* The version that this library was built as. */
#include <bilens/base.h>

const char *bl_version(void) { return BILENS_VERSION; }
