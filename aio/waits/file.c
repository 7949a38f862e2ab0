// SPDX-License-Identifier: MIT
/* Reads and writes files of recorded waits (docs/waits.md). */
#include "aio/waits/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC    "pollux-waits 1"
#define LINE_MAX 256
/* An hour: longer than any wait, short enough that sums of all waits cannot overflow. */
#define NS_MAX 3600000000000ull

struct reader {
    FILE *in;
    const char *name;
    unsigned line;
    struct error *err;
    size_t room; /* of waits->waits */
};

static int bad(struct reader *r, const char *what)
{
    return error_set(r->err, -EINVAL, "%s:%u: %s", r->name, r->line, what);
}

/* Return: 1 for a line, without its end; 0 at the end of the file. */
static int next_line(struct reader *r, char line[LINE_MAX])
{
    size_t len;

    if (!fgets(line, LINE_MAX, r->in)) {
        if (ferror(r->in)) {
            return error_set(r->err, -EIO, "%s: cannot read", r->name);
        }
        return 0;
    }
    r->line++;
    len = strlen(line);
    if (len && line[len - 1] == '\n') {
        line[len - 1] = '\0';
    } else if (len == LINE_MAX - 1) {
        return bad(r, "line is too long");
    }
    return 1;
}

static bool parse_u64(const char *s, int base, uint64_t max, uint64_t *out)
{
    char *end;

    if (*s < '0' || *s > (base == 16 ? 'f' : '9')) {
        return false;
    }
    errno = 0;
    *out = strtoull(s, &end, base);
    return !errno && !*end && end != s && *out <= max;
}

static int parse_source(struct reader *r, struct waits *t, const char *line)
{
    struct waits_source *s = &t->sources[t->nr_sources];
    char kind[9] = "";

    if (t->nr_sources == WAITS_SOURCES_MAX) {
        return bad(r, "too many sources");
    }
    if (sscanf(line, "source %31s %8s", s->name, kind) < 1 || (*kind && strcmp(kind, "counted"))) {
        return bad(r, "expected: source NAME [counted]");
    }
    s->counted = *kind;
    t->nr_sources++;
    return 0;
}

/* Parses a line that is not a wait; @line is neither empty nor a comment. */
static int parse_setting(struct reader *r, struct waits *t, const char *line)
{
    static const struct {
        const char *key;
        size_t offset;
    } settings[] = {
        {"wake-ns ", offsetof(struct waits, wake_ns)},
        {"wake-cpu-ns ", offsetof(struct waits, wake_cpu_ns)},
        {"busy-ns ", offsetof(struct waits, busy_ns)},
    };

    if (!strncmp(line, "source ", 7)) {
        return parse_source(r, t, line);
    }
    for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        size_t len = strlen(settings[i].key);

        if (!strncmp(line, settings[i].key, len)) {
            uint64_t *place = (uint64_t *)((char *)t + settings[i].offset);

            return parse_u64(line + len, 10, NS_MAX, place) ? 0 : bad(r, "not a number of ns");
        }
    }
    return bad(r, "neither a wait nor a known setting");
}

static bool parse_wait(const struct waits *t, char *line, struct wait_record *w)
{
    uint64_t all = t->nr_sources == 64 ? UINT64_MAX : (1ull << t->nr_sources) - 1;
    char *save, *word = strtok_r(line, " ", &save);
    bool ok;

    *w = (struct wait_record){.busy_ns = t->busy_ns, .ready = 1};
    ok = word && parse_u64(word, 10, NS_MAX, &w->wait_ns);
    while (ok && (word = strtok_r(NULL, " ", &save))) {
        switch (*word) {
        case 'b':
            ok = parse_u64(word + 1, 10, NS_MAX, &w->busy_ns);
            break;
        case 'p':
            w->blocked = true;
            ok = parse_u64(word + 1, 10, w->wait_ns, &w->polled_ns);
            break;
        case 'f':
            ok = parse_u64(word + 1, 16, all, &w->ready);
            break;
        case 'o':
            ok = parse_u64(word + 1, 16, all, &w->in_flight);
            break;
        case 'x':
            w->off_cpu = true;
            ok = !word[1];
            break;
        default:
            ok = false;
        }
    }
    return ok && !(w->ready & ~all);
}

static int append(struct reader *r, struct waits *t, const struct wait_record *w)
{
    if (t->nr_waits == r->room) {
        size_t room = r->room ? r->room * 2 : 1024;
        struct wait_record *more = reallocarray(t->waits, room, sizeof(*more));

        if (!more) {
            return error_set(r->err, -ENOMEM, "%s: out of memory", r->name);
        }
        t->waits = more;
        r->room = room;
    }
    t->waits[t->nr_waits++] = *w;
    return 0;
}

static int parse_line(struct reader *r, struct waits *t, char *line)
{
    struct wait_record w;

    if (!*line || *line == '#') {
        return 0;
    }
    if (*line < '0' || *line > '9') {
        return parse_setting(r, t, line);
    }
    if (!parse_wait(t, line, &w)) {
        return bad(r, "not a wait: expected NS [bNS] [pNS] [fMASK] [oMASK] [x]");
    }
    return append(r, t, &w);
}

int waits_read(FILE *in, const char *name, struct waits *out, struct error *err)
{
    struct reader r = {.in = in, .name = name, .err = err};
    char line[LINE_MAX];
    int got = next_line(&r, line);

    *out = (struct waits){0};
    if (got >= 0 && (!got || strcmp(line, MAGIC))) {
        got = bad(&r, "not a file of waits: does not begin with \"" MAGIC "\"");
    }
    while (got >= 0 && (got = next_line(&r, line)) > 0) {
        got = parse_line(&r, out, line);
    }
    if (got < 0) {
        waits_free(out);
    }
    return got;
}

void waits_free(struct waits *t)
{
    free(t->waits);
    *t = (struct waits){0};
}

int waits_write_header(FILE *out, const struct waits *t)
{
    fprintf(out, MAGIC "\nwake-ns %" PRIu64 "\nwake-cpu-ns %" PRIu64 "\nbusy-ns %" PRIu64 "\n",
            t->wake_ns, t->wake_cpu_ns, t->busy_ns);
    for (unsigned i = 0; i < t->nr_sources; i++) {
        waits_write_source(out, &t->sources[i]);
    }
    return ferror(out) ? -EIO : 0;
}

int waits_write_wake_ns(FILE *out, uint64_t ns)
{
    fprintf(out, "wake-ns %" PRIu64 "\n", ns);
    return ferror(out) ? -EIO : 0;
}

int waits_write_source(FILE *out, const struct waits_source *s)
{
    fprintf(out, "source %s%s\n", s->name, s->counted ? " counted" : "");
    return ferror(out) ? -EIO : 0;
}

int waits_write(FILE *out, const struct waits *t, const struct wait_record *w)
{
    fprintf(out, "%" PRIu64, w->wait_ns);
    if (w->busy_ns != t->busy_ns) {
        fprintf(out, " b%" PRIu64, w->busy_ns);
    }
    if (w->blocked) {
        fprintf(out, " p%" PRIu64, w->polled_ns);
    }
    if (w->ready != 1) {
        fprintf(out, " f%" PRIx64, w->ready);
    }
    if (w->in_flight) {
        fprintf(out, " o%" PRIx64, w->in_flight);
    }
    fprintf(out, "%s\n", w->off_cpu ? " x" : "");
    return ferror(out) ? -EIO : 0;
}
