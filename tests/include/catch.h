/* SPDX-License-Identifier: BSD-2-Clause */
/* What the code under test says on standard error. */
#ifndef TESTS_CATCH_H
#define TESTS_CATCH_H

#include <stddef.h>

/* From here on standard error is caught; one at a time. */
void catch_stderr(void);
/* No longer: what was caught is in @text, terminated, at most @size - 1 bytes. Returns its length.
 */
size_t caught_stderr(char *text, size_t size);

#endif
