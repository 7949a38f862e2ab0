// SPDX-License-Identifier: MIT
/* Units of disk images. */
#ifndef POLLUX_ENGINE_SECTOR_H
#define POLLUX_ENGINE_SECTOR_H

#define SECTOR_SIZE     512  /* bytes */
#define IMAGE_ALIGN_MAX 4096 /* the largest image.align, bytes */

#endif
