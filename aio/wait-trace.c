// SPDX-License-Identifier: MIT
#include "aio/wait-trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC    "pollux-waits 1"
#define LINE_MAX 256
/* An hour: longer than any wait, short enough that sums of a whole trace cannot overflow. */
#define NS_MAX 3600000000000ull

struct reader {
    FILE *in;
    const char *name;
    unsigned line;
    struct error *err;
    size_t room; /* of trace->waits */
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

static int parse_source(struct reader *r, struct wait_trace *t, const char *line)
{
    struct wait_trace_source *s = &t->sources[t->nr_sources];
    char kind[8] = "";

    if (t->nr_sources == WAIT_TRACE_SOURCES) {
        return bad(r, "too many sources");
    }
    if (sscanf(line, "source %31s %7s", s->name, kind) < 1 || (*kind && strcmp(kind, "owed"))) {
        return bad(r, "expected: source NAME [owed]");
    }
    s->owed = *kind;
    t->nr_sources++;
    return 0;
}

static int parse_header(struct reader *r, struct wait_trace *t)
{
    char line[LINE_MAX];
    int got;

    if ((got = next_line(r, line)) <= 0 || strcmp(line, MAGIC)) {
        return got < 0 ? got : bad(r, "not a trace of waits: does not begin with \"" MAGIC "\"");
    }
    while ((got = next_line(r, line)) > 0 && strcmp(line, "waits")) {
        bool ok = true;

        if (!strncmp(line, "wake-ns ", 8)) {
            ok = parse_u64(line + 8, 10, NS_MAX, &t->wake_ns);
        } else if (!strncmp(line, "wake-cpu-ns ", 12)) {
            ok = parse_u64(line + 12, 10, NS_MAX, &t->wake_cpu_ns);
        } else if (!strncmp(line, "busy-ns ", 8)) {
            ok = parse_u64(line + 8, 10, NS_MAX, &t->busy_ns);
        } else if (!strncmp(line, "source ", 7)) {
            if ((got = parse_source(r, t, line)) < 0) {
                return got;
            }
        } else if (*line && *line != '#') {
            ok = false;
        }
        if (!ok) {
            return bad(r, "unknown or bad header line");
        }
    }
    if (got < 0) {
        return got;
    }
    if (!got || !t->nr_sources) {
        return bad(r, got ? "no source is named" : "the header does not end with \"waits\"");
    }
    return 0;
}

static bool parse_wait(const struct wait_trace *t, char *line, struct wait_record *w)
{
    uint64_t all = t->nr_sources == 64 ? UINT64_MAX : (1ull << t->nr_sources) - 1;
    char *save, *word = strtok_r(line, " ", &save);
    bool ok;

    *w = (struct wait_record){.busy_ns = t->busy_ns, .fired = 1};
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
            ok = parse_u64(word + 1, 16, all, &w->fired);
            break;
        case 'o':
            ok = parse_u64(word + 1, 16, all, &w->owed);
            break;
        case 'x':
            w->off_cpu = true;
            ok = !word[1];
            break;
        default:
            ok = false;
        }
    }
    return ok;
}

static int append(struct reader *r, struct wait_trace *t, const struct wait_record *w)
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

int wait_trace_read(FILE *in, const char *name, struct wait_trace *out, struct error *err)
{
    struct reader r = {.in = in, .name = name, .err = err};
    char line[LINE_MAX];
    int got;

    *out = (struct wait_trace){0};
    got = parse_header(&r, out);
    while (got == 0 && (got = next_line(&r, line)) > 0) {
        struct wait_record w;

        if (!*line || *line == '#') {
            got = 0;
        } else if (!parse_wait(out, line, &w)) {
            got = bad(&r, "not a wait: expected NS [bNS] [pNS] [fMASK] [oMASK] [x]");
        } else {
            got = append(&r, out, &w);
        }
        if (got == 0 && feof(in)) {
            break;
        }
    }
    if (got < 0) {
        wait_trace_free(out);
    }
    return got;
}

void wait_trace_free(struct wait_trace *t)
{
    free(t->waits);
    *t = (struct wait_trace){0};
}

int wait_trace_write_header(FILE *out, const struct wait_trace *t)
{
    fprintf(out, MAGIC "\nwake-ns %" PRIu64 "\nwake-cpu-ns %" PRIu64 "\nbusy-ns %" PRIu64 "\n",
            t->wake_ns, t->wake_cpu_ns, t->busy_ns);
    for (unsigned i = 0; i < t->nr_sources; i++) {
        fprintf(out, "source %s%s\n", t->sources[i].name, t->sources[i].owed ? " owed" : "");
    }
    fprintf(out, "waits\n");
    return ferror(out) ? -EIO : 0;
}

int wait_trace_write(FILE *out, const struct wait_trace *t, const struct wait_record *w)
{
    fprintf(out, "%" PRIu64, w->wait_ns);
    if (w->busy_ns != t->busy_ns) {
        fprintf(out, " b%" PRIu64, w->busy_ns);
    }
    if (w->blocked) {
        fprintf(out, " p%" PRIu64, w->polled_ns);
    }
    if (w->fired != 1) {
        fprintf(out, " f%" PRIx64, w->fired);
    }
    if (w->owed) {
        fprintf(out, " o%" PRIx64, w->owed);
    }
    fprintf(out, "%s\n", w->off_cpu ? " x" : "");
    return ferror(out) ? -EIO : 0;
}
