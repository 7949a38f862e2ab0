// SPDX-License-Identifier: MIT
#include <errno.h>

#include "cli/rbd-options.h"

int rbd_check(const struct image_config *image, bool for_files, struct error *err)
{
    if (!image->rbd) {
        return image->rbd_conf || image->rbd_id
                   ? error_set(err, -EINVAL, "--disk: %s needs rbd=POOL/IMAGE",
                               image->rbd_conf ? "conf" : "id")
                   : 0;
    }
    if (image->path || image->uri || image->size) {
        return error_set(err, -EINVAL, "--disk: rbd and %s exclude each other",
                         image->path  ? "file"
                         : image->uri ? "nbd"
                                      : "size");
    }
    if (for_files) {
        return error_set(err, -EINVAL, "--disk: engine and format are for files, not rbd");
    }
    return 0;
}
