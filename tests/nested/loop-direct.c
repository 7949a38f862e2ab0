// SPDX-License-Identifier: MIT
/*
 * loop-direct DEVICE: a loop device goes around the page cache, so that what its file does not have
 * fails with EIO. Through the page cache it would read as zeroes.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
    int fd = argc == 2 ? open(argv[1], O_RDWR) : -1;

    if (fd < 0 || ioctl(fd, LOOP_SET_DIRECT_IO, 1ul) < 0) {
        perror(argc == 2 ? argv[1] : "loop-direct DEVICE");
        return 1;
    }
    return 0;
}
