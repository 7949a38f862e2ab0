// SPDX-License-Identifier: MIT
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/allocator.h"

#define ARENAS_PER_CPU 8 /* the default of glibc */
#define BLOCKS         32
#define NUMBERS        1024        /* more than qsort() sorts on the stack */
#define BLOCK_SIZE     (64u << 10) /* below the size that is mapped by itself */

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void allocator_prepare(void)
{
    void *volatile blocks[BLOCKS];
    int numbers[NUMBERS] = {0};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    mallopt(M_ARENA_MAX, (int)(cpus > 0 ? cpus * ARENAS_PER_CPU : ARENAS_PER_CPU));
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_SIZE);
    }
    for (unsigned i = BLOCKS; i-- > 0;) {
        free(blocks[i]);
    }
    qsort(numbers, NUMBERS, sizeof(numbers[0]), compare);
}
