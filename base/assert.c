// SPDX-License-Identifier: MIT
/*
 * assert() of glibc writes its message by writev(), which no set of the sandbox has otherwise, so an
 * assertion that fails would show as a forbidden call.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void __assert_fail(const char *assertion, const char *file, unsigned line_number,
                   const char *function)
{
    char line[512];
    int len = snprintf(line, sizeof(line), "%s:%u: %s: Assertion `%s' failed.\n", file, line_number,
                       function, assertion);

    (void)!write(STDERR_FILENO, line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
    abort();
}
