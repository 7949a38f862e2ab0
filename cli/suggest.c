// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cli/suggest.h"

#define WORD_MAX 32

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Of single characters left out, added or replaced, and neighbours exchanged (the restricted
 * Damerau-Levenshtein distance): rows of the table are prefixes of @a, columns those of @b. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];

    for (unsigned i = 0; i <= a_len; i++) {
        for (unsigned j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
                            d[i - 1][j - 1] + (tolower(a[i - 1]) != tolower(b[j - 1])));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[a_len][b_len];
}

struct suggestion suggest(const char *word, size_t len)
{
    return (struct suggestion){.word = word, .len = len, .distance = (unsigned)len / 3 + 1};
}

void suggest_offer(struct suggestion *s, const char *known)
{
    size_t len = strlen(known);
    unsigned d = s->distance;

    if (s->len > 1 && !strncasecmp(known, s->word, s->len)) {
        d = 0;
    } else if (s->len <= WORD_MAX && len <= WORD_MAX) {
        d = distance(s->word, s->len, known, len);
    }
    if (d < s->distance) {
        s->best = known;
        s->distance = d;
    }
}
