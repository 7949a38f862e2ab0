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
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

#define DEVICES_DEEP 8 /* devices on devices that are looked at */
#define SYSFS_PATH   512

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

static const char *why_disk(const char *disk, unsigned deep);

/* Return: false if the file of loop device @disk cannot be found by its name. */
static bool stat_backing_file(const char *disk, struct stat *st, struct statfs *fs)
{
    char name[PATH_MAX] = "", path[SYSFS_PATH + 64];
    FILE *f;

    snprintf(path, sizeof(path), "%s/loop/backing_file", disk);
    f = fopen(path, "re");
    if (!f) {
        return false;
    }
    if (fgets(name, sizeof(name), f)) {
        name[strcspn(name, "\n")] = '\0';
    }
    fclose(f);
    return stat(name, st) == 0 && statfs(name, fs) == 0;
}

/* The loop device does direct I/O. Does its file? */
static const char *why_backing_file(const char *disk, unsigned deep)
{
    char below[SYSFS_PATH];
    struct statfs fs;
    struct stat st;

    if (!stat_backing_file(disk, &st, &fs)) {
        return NULL;
    }
    if (S_ISREG(st.st_mode) && fs.f_type == BTRFS_SUPER_MAGIC) {
        return "it is on a loop device whose file is on btrfs, which uses the page cache for files "
               "with checksums";
    }
    sysfs_disk(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, below);
    return why_disk(below, deep);
}

static const char *why_slaves(const char *disk, unsigned deep)
{
    char path[SYSFS_PATH];
    const char *why = NULL;
    struct dirent *entry;
    DIR *dir;

    if (snprintf(path, sizeof(path), "%s/slaves", disk) >= (int)sizeof(path)) {
        return NULL;
    }
    dir = opendir(path);
    while (dir && !why && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.' &&
            snprintf(path, sizeof(path), "%s/slaves/%s", disk, entry->d_name) < (int)sizeof(path)) {
            why = why_disk(path, deep);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return why;
}

/* Does @disk, or a device that is below it at whatever depth, use the page cache? */
static const char *why_disk(const char *disk, unsigned deep)
{
    long dio = sysfs_number(disk, "loop/dio");

    if (dio == 0) {
        return "it is on a loop device without direct I/O (losetup --direct-io=on makes one with)";
    }
    if (deep == 0) {
        return NULL;
    }
    return dio > 0 ? why_backing_file(disk, deep - 1) : why_slaves(disk, deep - 1);
}

static const char *why_page_cache(const struct statx *x, const struct statfs *fs, const char *disk)
{
    if ((x->stx_mask & STATX_DIOALIGN) && x->stx_dio_offset_align == 0) {
        return "its file system does no direct I/O on this file";
    }
    if (S_ISREG(x->stx_mode) && fs->f_type == BTRFS_SUPER_MAGIC) {
        return "btrfs uses the page cache for files with checksums";
    }
    return why_disk(disk, DEVICES_DEEP);
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
