// SPDX-License-Identifier: MIT
/* "Did you mean": which of the known words a mistyped one is closest to. */
#ifndef POLLUX_CLI_SUGGEST_H
#define POLLUX_CLI_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *word; /* the mistyped one, not ended by 0 */
    size_t len;
    const char *best;  /* NULL: nothing is close */
    unsigned distance; /* of @best; before there is one, the least that is too far */
};

/**
 * suggest - begin with the @len characters of @word; offer each known word; then look at @best
 * A word is close if a third of its characters or fewer are mistyped (left out, too many,
 * exchanged, or wrong), or if it is the beginning of the known one. The first of equally close ones
 * wins.
 */
struct suggestion suggest(const char *word, size_t len);
void suggest_offer(struct suggestion *s, const char *known);

#endif
