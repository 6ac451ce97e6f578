/* An allocator whose Nth call fails, and which knows what is still allocated. The test is linked with --wrap,
 * so that every malloc, calloc, realloc, aligned_alloc and free of the library's own objects (and of jansson,
 * through json_set_alloc_funcs) comes here. */
#ifndef BL_TESTS_FAILING_H
#define BL_TESTS_FAILING_H
#include <stdbool.h>
#include <stddef.h>

/* From now on: the `nth` allocation (from 1) fails, and no other; 0 = none does. Begins to count what is
 * allocated, too. */
void failing_arm(size_t nth);
/* Ends it. True if an allocation was made to fail. */
bool failing_disarm(void);
/* Blocks allocated since failing_arm and not freed. */
size_t failing_live(void);
/* Where the allocation was asked for that failed (a return address, for addr2line). */
void *failing_site(void);

/* For json_set_alloc_funcs. */
void *failing_malloc(size_t size);
void failing_free(void *pointer);
#endif
