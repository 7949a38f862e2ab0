// SPDX-License-Identifier: MIT
/*
 * What all fuzz targets share.
 *
 * A target is a program on libFuzzer. It brings seeds, a mutator that keeps most of an input valid,
 * and checks of its own: a fuzzer that waits for a crash finds only what crashes.
 *
 * FUZZ_SEEDS=DIR in the environment makes the program write its seeds there and end.
 */
#ifndef POLLUX_TESTS_FUZZ_FUZZ_H
#define POLLUX_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What must hold whatever the input is. Say what did not, with the figures. */
#define FUZZ_CHECK(cond, ...)                                                                      \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fuzz_failed(__FILE__, __LINE__, #cond, __VA_ARGS__);                                   \
        }                                                                                          \
    } while (0)

void fuzz_failed(const char *file, int line, const char *cond, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 4, 5)));

/* An operation of a driver, for inputs that are programs: see fuzz_ops(). */
struct fuzz_op {
    uint8_t code; /* taken modulo the number of codes */
    uint8_t a;
    uint16_t b;
    uint32_t c;
};

/* What a target defines: @run, and either @seed and @mutate or, if its inputs are operations, what
 * FUZZ_OPS() makes of its seeds. */
extern const struct fuzz_target {
    /* Seed @i into @out. Return: its size; 0 past the last one. */
    size_t (*seed)(unsigned i, uint8_t *out, size_t max);
    /* Change the input in place. Return: the new size, at most @max. NULL: libFuzzer's own way. */
    size_t (*mutate)(uint8_t *data, size_t size, size_t max, uint32_t *random);
    void (*run)(const uint8_t *data, size_t size);
    const struct fuzz_op *ops; /* of the first seed, then of the second, ... */
    unsigned nr_seeds, ops_per_seed, nr_codes;
} fuzz_target;

/* @seeds: an array of arrays of operations, each of a code below @nr */
#define FUZZ_OPS(seeds, nr)                                                                        \
    .ops = (seeds)[0], .nr_seeds = sizeof(seeds) / sizeof((seeds)[0]),                             \
    .ops_per_seed = sizeof((seeds)[0]) / sizeof((seeds)[0][0]), .nr_codes = (nr)

/* fuzz_random - a number below @n > 0 */
uint32_t fuzz_random(uint32_t *state, uint32_t n);

/* fuzz_mutate_bytes - libFuzzer's own mutations */
size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t max);

/* --- inputs that are programs: what a driver does, step by step --- */

#define FUZZ_OPS_MAX 96

/* fuzz_ops - the input as operations; what is too long or left over is ignored */
unsigned fuzz_ops(const uint8_t *data, size_t size, struct fuzz_op ops[FUZZ_OPS_MAX]);

/* --- inputs that are files with fields --- */

struct fuzz_field {
    unsigned offset, size; /* bytes; size at most 8 */
};

/* fuzz_mutate_field - give one field a value at an edge, or near what it is */
void fuzz_mutate_field(uint8_t *data, size_t size, const struct fuzz_field *fields, unsigned n,
                       uint32_t *random);

/* --- inputs that are text --- */

/* fuzz_mutate_words - insert one of @words somewhere, or put it in the place of a word that is
 * there
 */
size_t fuzz_mutate_words(uint8_t *data, size_t size, size_t max, const char *const *words,
                         unsigned n, uint32_t *random);

#endif
