// SPDX-License-Identifier: MIT
#include <errno.h>

#include "base/output-file.h"
#include "cli/outputs.h"

static int check(const char *option, const char *path, const char *const files[], unsigned nr,
                 struct error *err)
{
    for (unsigned i = 0; i < nr; i++) {
        if (output_file_same(path, files[i])) {
            return error_set(err, -EINVAL,
                             "%s: '%s' is named by another option too, and would be overwritten",
                             option, path);
        }
    }
    return 0;
}

int outputs_check(const char *trace, const struct iothread_list *iothreads,
                  const char *const files[], unsigned nr, struct error *err)
{
    int ret = check("--trace", trace, files, nr, err);

    for (unsigned i = 0; i < iothreads->nr && ret == 0; i++) {
        ret = check("record", iothreads->args[i].io.record, files, nr, err);
    }
    return ret;
}
