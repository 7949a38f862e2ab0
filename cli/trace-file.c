// SPDX-License-Identifier: MIT
#include "cli/trace-file.h"

#include <errno.h>
#include <string.h>

#include "base/output-file.h"

int trace_file_open(struct trace_file *f, const char *path, unsigned events, struct error *err)
{
    int ret;

    *f = (struct trace_file){.path = path};
    if (!path) {
        return 0;
    }
    ret = output_file_open("--trace", path, &f->out, err);
    if (ret < 0) {
        return ret;
    }
    f->trace = trace_new(events, NULL);
    if (!f->trace) {
        fclose(f->out);
        f->out = NULL;
        return error_set(err, -ENOMEM, "--trace: out of memory");
    }
    return 0;
}

int trace_file_write(struct trace_file *f, struct error *err)
{
    int ret = 0;

    if (!f->out) {
        return 0;
    }
    if (f->trace) {
        ret = trace_write(f->trace, f->out);
    }
    if (fclose(f->out) != 0 && ret == 0) {
        ret = -errno;
    }
    if (ret < 0) {
        error_set(err, ret, "--trace: cannot write '%s': %s", f->path, strerror(-ret));
    }
    f->out = NULL;
    return ret;
}

int trace_file_close(struct trace_file *f, struct error *err)
{
    int ret = trace_file_write(f, err);

    trace_free(f->trace);
    *f = (struct trace_file){.path = NULL};
    return ret;
}
