/* Whether a SIGINT has come that bl_interrupt_watch waits for. */
#ifndef BL_BASE_INTERRUPT_H
#define BL_BASE_INTERRUPT_H
#include <bilens/base.h>

bool bl_interrupted(void);
#endif
