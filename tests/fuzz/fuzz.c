// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define SEED_MAX 65536

/* libFuzzer's interface; it has no C header. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

void fuzz_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: does not hold: %s: ", file, line, cond);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    abort();
}

/* --- mutators --- */

uint32_t fuzz_random(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)*state * n) >> 32);
}

size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t max)
{
    return LLVMFuzzerMutate(data, size, max);
}

/* --- programs --- */

unsigned fuzz_ops(const uint8_t *data, size_t size, struct fuzz_op ops[FUZZ_OPS_MAX])
{
    size_t n = size / sizeof(*ops);

    n = n < FUZZ_OPS_MAX ? n : FUZZ_OPS_MAX;
    memcpy(ops, data, n * sizeof(*ops));
    return (unsigned)n;
}

static size_t seed_ops(unsigned i, uint8_t *out, size_t max)
{
    size_t size = fuzz_target.ops_per_seed * sizeof(struct fuzz_op);

    if (i == fuzz_target.nr_seeds) {
        return 0;
    }
    FUZZ_CHECK(size <= max, "a seed of %zu bytes", size);
    memcpy(out, fuzz_target.ops + i * fuzz_target.ops_per_seed, size);
    return size;
}

static struct fuzz_op random_op(uint32_t *random)
{
    return (struct fuzz_op){
        .code = (uint8_t)fuzz_random(random, fuzz_target.nr_codes),
        .a = (uint8_t)fuzz_random(random, 256),
        .b = (uint16_t)fuzz_random(random, fuzz_random(random, 2) ? 16 : 65536),
        .c = fuzz_random(random, fuzz_random(random, 2) ? 64 : UINT32_MAX),
    };
}

static void change_op(struct fuzz_op *op, uint32_t *random)
{
    struct fuzz_op other = random_op(random);

    switch (fuzz_random(random, 6)) {
    case 0:
        op->code = other.code;
        break;
    case 1:
        op->a = other.a;
        break;
    case 2:
        op->b = other.b;
        break;
    case 3:
        op->c = other.c;
        break;
    case 4:
        op->a ^= (uint8_t)(1u << fuzz_random(random, 8));
        break;
    default:
        op->c ^= 1u << fuzz_random(random, 32);
        break;
    }
}

/* Insert, remove, repeat, swap or change one operation. */
static size_t mutate_ops(uint8_t *data, size_t size, size_t max, uint32_t *random)
{
    struct fuzz_op ops[FUZZ_OPS_MAX + 1];
    unsigned n = fuzz_ops(data, size, ops), most = max / sizeof(*ops);
    unsigned at = fuzz_random(random, n + 1), from = fuzz_random(random, n + 1);

    most = most < FUZZ_OPS_MAX ? most : FUZZ_OPS_MAX;
    switch (n ? fuzz_random(random, 8) : 0) {
    case 0:
    case 1:
        memmove(&ops[at + 1], &ops[at], (n - at) * sizeof(*ops));
        ops[at] = random_op(random);
        n++;
        break;
    case 2:
        if (from < n) {
            struct fuzz_op again = ops[from];

            memmove(&ops[at + 1], &ops[at], (n - at) * sizeof(*ops));
            ops[at] = again;
            n++;
        }
        break;
    case 3:
        if (at < n) {
            n--;
            memmove(&ops[at], &ops[at + 1], (n - at) * sizeof(*ops));
        }
        break;
    case 4:
        if (at < n && from < n) {
            struct fuzz_op t = ops[at];

            ops[at] = ops[from];
            ops[from] = t;
        }
        break;
    default:
        change_op(&ops[at < n ? at : n - 1], random);
        break;
    }
    n = n < most ? n : most;
    memcpy(data, ops, n * sizeof(*ops));
    return n * sizeof(*ops);
}

/* --- fields --- */

void fuzz_mutate_field(uint8_t *data, size_t size, const struct fuzz_field *fields, unsigned n,
                       uint32_t *random)
{
    static const uint64_t edges[] = {
        0,
        1,
        2,
        511,
        512,
        513,
        4095,
        4096,
        UINT16_MAX,
        1 << 20,
        (1 << 20) - 1,
        INT32_MAX,
        UINT32_MAX,
        UINT32_MAX - 15,
        INT64_MAX,
        UINT64_MAX,
        UINT64_MAX - 4095,
    };
    const struct fuzz_field *f = &fields[fuzz_random(random, n)];
    uint64_t value = 0;

    if (f->offset > size || f->size > size - f->offset) {
        return;
    }
    memcpy(&value, data + f->offset, f->size);
    switch (fuzz_random(random, 5)) {
    case 0:
        value = edges[fuzz_random(random, sizeof(edges) / sizeof(edges[0]))];
        break;
    case 1:
        value += fuzz_random(random, 33) - 16ull;
        break;
    case 2:
        value ^= 1ull << fuzz_random(random, f->size * 8);
        break;
    case 3:
        value = size - fuzz_random(random, 64);
        break;
    default:
        value = fuzz_random(random, 1u << 22);
        break;
    }
    memcpy(data + f->offset, &value, f->size);
}

/* --- text --- */

size_t fuzz_mutate_words(uint8_t *data, size_t size, size_t max, const char *const *words,
                         unsigned n, uint32_t *random)
{
    const char *word = words[fuzz_random(random, n)];
    size_t len = strlen(word), at = fuzz_random(random, (uint32_t)size + 1), end = at;

    if (fuzz_random(random, 2)) {
        while (at > 0 && isalnum(data[at - 1])) {
            at--;
        }
        while (end < size && isalnum(data[end])) {
            end++;
        }
    }
    if (size - (end - at) + len > max) {
        return size;
    }
    memmove(data + at + len, data + end, size - end);
    memcpy(data + at, word, len);
    return size - (end - at) + len;
}

/* --- libFuzzer --- */

static size_t seed_of(unsigned i, uint8_t *out, size_t max)
{
    return fuzz_target.ops ? seed_ops(i, out, max) : fuzz_target.seed(i, out, max);
}

static void write_seeds(const char *dir)
{
    static uint8_t data[SEED_MAX];
    size_t size;

    for (unsigned i = 0; (size = seed_of(i, data, sizeof(data))); i++) {
        char path[4096];
        FILE *out;

        snprintf(path, sizeof(path), "%s/seed-%02u", dir, i);
        out = fopen(path, "w");
        FUZZ_CHECK(out && fwrite(data, size, 1, out) == 1 && fclose(out) == 0, "%s", path);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *dir = getenv("FUZZ_SEEDS");

    if (dir) {
        write_seeds(dir);
        exit(0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_target.run(data, size);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    uint32_t random = seed;

    if (fuzz_target.ops) {
        return mutate_ops(data, size, max, &random);
    }
    return fuzz_target.mutate ? fuzz_target.mutate(data, size, max, &random)
                              : fuzz_mutate_bytes(data, size, max);
}
