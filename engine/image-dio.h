// SPDX-License-Identifier: MIT
/* What O_DIRECT asks for, and what it does, on a file that is open with it. */
#ifndef POLLUX_ENGINE_IMAGE_DIO_H
#define POLLUX_ENGINE_IMAGE_DIO_H

struct image_dio {
    unsigned align; /* of offsets, lengths and addresses; a power of 2 from SECTOR_SIZE on */
    const char *page_cache; /* why I/O goes through the page cache in spite of O_DIRECT; or NULL */
};

/**
 * image_dio - ask the kernel about @fd; nothing is read
 */
void image_dio(int fd, struct image_dio *out);

#endif
