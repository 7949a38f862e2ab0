// SPDX-License-Identifier: MIT
/* The properties of O_DIRECT on an open file. */
#ifndef POLLUX_ENGINE_IMAGE_DIO_H
#define POLLUX_ENGINE_IMAGE_DIO_H

struct image_dio {
    unsigned align; /* of offsets, lengths and addresses; a power of 2 from SECTOR_SIZE on */
    const char
        *page_cache; /* why I/O uses the page cache in spite of O_DIRECT; NULL: it does not */
};

/**
 * image_dio - find the properties of @fd, without a read
 */
void image_dio(int fd, struct image_dio *out);

#endif
