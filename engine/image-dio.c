// SPDX-License-Identifier: MIT
/*
 * The alignment that O_DIRECT needs, and whether O_DIRECT bypasses the page cache.
 *
 * A test read cannot find the alignment: in a hole of a sparse file any read succeeds. So the
 * alignment is that of statx() (STATX_DIOALIGN, Linux 6.1), or the logical block size of the
 * device, or 4096, which suits all but unusual devices.
 *
 * Some file systems accept O_DIRECT and use the page cache all the same. A failed write-back is
 * then reported only once, and io_submit() blocks.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "engine/image-dio.h"
#include "engine/sector.h"

#ifndef STATX_DIO_READ_ALIGN /* Linux 6.16 */
#define STATX_DIO_READ_ALIGN 0x00020000U
#endif
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

#define SLAVES_DEEP 8 /* levels of stacked devices that are checked */
#define SYSFS_PATH  512

/* Return: the number in a file of sysfs, or -1. */
static long sysfs_number(const char *device, const char *file)
{
    char path[SYSFS_PATH + 64];
    long n = -1;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", device, file);
    f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%ld", &n) != 1) {
            n = -1;
        }
        fclose(f);
    }
    return n;
}

/* The sysfs directory of a partition is inside that of its disk. */
static void sysfs_disk(dev_t dev, char path[SYSFS_PATH])
{
    int len = snprintf(path, SYSFS_PATH, "/sys/dev/block/%u:%u", major(dev), minor(dev));

    if (sysfs_number(path, "partition") >= 0) {
        snprintf(path + len, SYSFS_PATH - (size_t)len, "/..");
    }
}

/* --- alignment --- */

static unsigned device_block(int fd, const struct stat *st, const char *disk)
{
    unsigned block = 0;
    long n;

    if (S_ISBLK(st->st_mode)) {
        return ioctl(fd, BLKSSZGET, &block) == 0 ? block : IMAGE_ALIGN_MAX;
    }
    n = sysfs_number(disk, "queue/logical_block_size");
    return n > 0 ? (unsigned)n : IMAGE_ALIGN_MAX;
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* --- the page cache --- */

/* Is @disk, or a device below it, a loop device that uses the page cache for its file? */
static bool on_cached_loop(const char *disk, unsigned deep)
{
    char path[SYSFS_PATH];
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    if (sysfs_number(disk, "loop/dio") == 0) {
        return true;
    }
    if (deep == 0 || snprintf(path, sizeof(path), "%s/slaves", disk) >= (int)sizeof(path)) {
        return false;
    }
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.' &&
            snprintf(path, sizeof(path), "%s/slaves/%s", disk, entry->d_name) < (int)sizeof(path)) {
            found = on_cached_loop(path, deep - 1);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

static const char *why_page_cache(const struct statx *x, const struct statfs *fs, const char *disk)
{
    if ((x->stx_mask & STATX_DIOALIGN) && x->stx_dio_offset_align == 0) {
        return "its file system does no direct I/O on this file";
    }
    if (S_ISREG(x->stx_mode) && fs->f_type == BTRFS_SUPER_MAGIC) {
        return "btrfs uses the page cache for files with checksums";
    }
    if (on_cached_loop(disk, SLAVES_DEEP)) {
        return "it is on a loop device without direct I/O (losetup --direct-io=on makes one with)";
    }
    return NULL;
}

void image_dio(int fd, struct image_dio *out)
{
    struct statx x = {.stx_mask = 0};
    struct statfs fs = {.f_type = 0};
    struct stat st = {.st_mode = 0};
    char disk[SYSFS_PATH];

    fstat(fd, &st);
    fstatfs(fd, &fs);
    if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_DIOALIGN | STATX_DIO_READ_ALIGN, &x) < 0) {
        x = (struct statx){.stx_mode = (uint16_t)st.st_mode};
    }
    sysfs_disk(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, disk);
    if ((x.stx_mask & STATX_DIOALIGN) && x.stx_dio_offset_align) {
        out->align = larger(x.stx_dio_offset_align, x.stx_dio_mem_align);
    } else {
        out->align = device_block(fd, &st, disk);
    }
    /* Smaller writes to blocks that files share (reflink) go through the page cache. Since Linux
     * 6.16 the answer takes that into account. */
    if (S_ISREG(st.st_mode) && fs.f_type == XFS_SUPER_MAGIC &&
        !(x.stx_mask & STATX_DIO_READ_ALIGN)) {
        out->align = larger(out->align, (unsigned)fs.f_bsize);
    }
    out->align = larger(out->align, SECTOR_SIZE);
    out->page_cache = why_page_cache(&x, &fs, disk);
}
