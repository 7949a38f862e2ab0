// SPDX-License-Identifier: MIT
/* Opening, locking and checking of disk images. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/image-lock.h"
#include "engine/image-dio.h"
#include "engine/format-helper.h"
#include "engine/image-format.h"
#include "engine/image.h"
#include "engine/nbd-export.h"
#include "engine/nbd-probe.h"
#include "engine/rbd-image.h"

/* st_blksize is the preferred request size on some file systems, larger than any physical block. */
#define PHYSICAL_BLOCK_MAX 4096

/* Some drivers refuse to open an empty drive; a loop device without a file has 0 bytes. */
static int no_medium(const char *path, struct error *err)
{
    return error_set(err, -ENOMEDIUM,
                     "block device %s has no medium: attach one (losetup gives a loop device its "
                     "file)",
                     path);
}

static int check_size(const char *path, uint64_t size, bool block_device, struct error *err)
{
    if (size == 0 && block_device) {
        return no_medium(path, err);
    }
    if (size == 0) {
        return error_set(err, -EINVAL, "disk image %s is empty: make one with truncate -s 1G %s",
                         path, path);
    }
    if (size % SECTOR_SIZE) {
        return error_set(err, -EINVAL,
                         "the size of disk image %s, %" PRIu64 " bytes, is not a multiple of %d: "
                         "enlarge it with truncate -s %%%d %s",
                         path, size, SECTOR_SIZE, SECTOR_SIZE, path);
    }
    return 0;
}

static int open_without_file(struct image *img, uint64_t size, struct error *err)
{
    if (size == 0 || size % SECTOR_SIZE) {
        return error_set(err, -EINVAL,
                         "the size of a disk without a file, %" PRIu64 " bytes, is not a multiple "
                         "of %d above 0",
                         size, SECTOR_SIZE);
    }
    img->size = size;
    return 0;
}

/* An export of an NBD server, whose preferred request size is a hint for the guest, as that of a file
 * system is. */
static int open_export(struct image *img, const struct image_config *config, const char *uri,
                       struct error *err)
{
    const struct nbd_export_info *info;
    unsigned preferred;
    int ret;

    img->nbd = calloc(1, sizeof(*img->nbd));
    if (!img->nbd) {
        return error_set(err, -ENOMEM, "out of memory for opening NBD export %s", uri);
    }
    ret = export_open(img->nbd, uri, config->readonly, config->reconnect_ns, err);
    if (ret < 0) {
        return ret;
    }
    img->nbd->helper = img->helper;
    img->probe = calloc(1, sizeof(*img->probe));
    ret = img->probe ? probe_init(img->probe, img->nbd, config->changed, config->changed_opaque)
                     : -ENOMEM;
    if (ret < 0) {
        return error_set(err, ret, "cannot watch the size of NBD export %s: %s", uri,
                         strerror(-ret));
    }
    info = &img->nbd->info;
    preferred = info->preferred;
    img->align = info->min_block;
    img->writethrough = config->writethrough;
    img->one_engine = !config->readonly && !info->multi_conn;
    img->physical_block = preferred < PHYSICAL_BLOCK_MAX ? preferred : PHYSICAL_BLOCK_MAX;
    img->physical_block = img->physical_block >= SECTOR_SIZE ? img->physical_block : 0;
    img->optimal_io = preferred > PHYSICAL_BLOCK_MAX ? preferred : 0;
    img->left_out = info->size % image_block(img);
    img->size = info->size - img->left_out;
    if (img->size == 0) {
        return error_set(err, -EINVAL, "NBD export %s has %u bytes, less than a block", uri,
                         img->left_out);
    }
    return img->writethrough && !img->readonly ? export_flush(img->nbd, err) : 0;
}

static int open_rbd(struct image *img, const struct image_config *config, struct error *err)
{
    const struct rbd_image_config rbd = {
        .place = config->rbd,
        .conf = config->rbd_conf,
        .id = config->rbd_id,
        .readonly = config->readonly,
        .uncached = config->direct,
        .share_rw = config->share_rw,
        .api = config->rbd_api,
        .changed = config->changed,
        .opaque = config->changed_opaque,
    };
    uint64_t size;
    int ret;

    img->rbd = calloc(1, sizeof(*img->rbd));
    if (!img->rbd) {
        return error_set(err, -ENOMEM, "out of memory for opening RBD image %s", config->rbd);
    }
    ret = rbd_image_open(img->rbd, &rbd, err);
    if (ret < 0) {
        return ret;
    }
    size = load_relaxed(&img->rbd->size);
    img->writethrough = config->writethrough;
    img->left_out = size % image_block(img);
    img->size = size - img->left_out;
    return img->size ? 0
                     : error_set(err, -EINVAL, "RBD image %s has %u bytes, less than a block",
                                 config->rbd, img->left_out);
}

/* The helper says best what it does not like about the image. */
static int open_format(struct image *img, const struct image_config *config, struct error *err)
{
    const struct format_helper_config helper = {
        .path = config->path,
        .format = config->format,
        .readonly = config->readonly,
        .direct = config->direct,
        .writethrough = config->writethrough,
        .discard = config->discard,
    };
    char line[ERROR_MSG_MAX / 2];
    int ret;

    img->helper = calloc(1, sizeof(*img->helper));
    if (!img->helper) {
        return error_set(err, -ENOMEM, "out of memory for opening disk image %s", config->path);
    }
    ret = helper_start(img->helper, &helper, err);
    if (ret == 0) {
        ret = open_export(img, config, img->helper->uri, err);
        if (ret < 0) {
            helper_stop(img->helper);
            helper_last_line(img->helper, line, sizeof(line));
            if (line[0]) {
                return error_set(err, ret, "qemu-nbd for format=%s: %s", config->format, line);
            }
            error_prefix(err, ret, "qemu-nbd for format=%s says nothing: ", config->format);
        }
    }
    return ret;
}

static int open_error(const struct image_config *config, int num, struct error *err)
{
    const char *path = config->path;

    switch (num) {
    case EACCES:
    case EPERM:
        return error_set(err, -num,
                         "no permission to open disk image %s for reading%s: check its owner and "
                         "mode%s",
                         path, config->readonly ? "" : " and writing",
                         config->readonly ? "" : ", or add readonly=on");
    case EROFS:
        return error_set(err, -num, "disk image %s is on a read-only file system: add readonly=on",
                         path);
    case ENOMEDIUM:
        return no_medium(path, err);
    case EINVAL:
        if (config->direct) {
            return error_set(err, -num,
                             "disk image %s: its file system does not support O_DIRECT, which "
                             "cache=none and cache=directsync need: move the image to one that "
                             "does, or use cache=writeback",
                             path);
        }
        break;
    }
    return error_set(err, -num, "cannot open disk image %s: %s", path, strerror(num));
}

/* Before the file is opened: open() may wait for ever (a FIFO) or act (a tape, a watchdog). */
static int check_kind(const struct image_config *config, struct error *err)
{
    struct stat st;

    if (stat(config->path, &st) < 0) {
        return open_error(config, errno, err);
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        return error_set(err, -EINVAL, "disk image %s is %s: give a regular file or a block device",
                         config->path,
                         S_ISDIR(st.st_mode) ? "a directory" : "neither file nor disk");
    }
    return 0;
}

static int check_format(const struct image_config *config, struct error *err)
{
    const char *path = config->path, *format = config->raw ? NULL : image_format(path);

    if (!format) {
        return 0;
    }
    return error_set(err, -EINVAL,
                     "disk image %s is no raw image, it looks like %s: add format=%s, and qemu-nbd "
                     "serves it, or convert it with qemu-img convert -f %s -O raw %s %s.raw "
                     "(or, with format=raw, the guest gets the file as it is)",
                     path, format, format, format, path, path);
}

static int get_file_size(const struct image *img, const char *path, uint64_t *size,
                         struct error *err)
{
    struct stat st;

    if (img->block_device) {
        if (ioctl(img->fd, BLKGETSIZE64, size) < 0) {
            return error_set(err, -errno, "cannot get the size of block device %s: %s", path,
                             strerror(errno));
        }
        return 0;
    }
    if (fstat(img->fd, &st) < 0) {
        return error_set(err, -errno, "cannot examine disk image %s: %s", path, strerror(errno));
    }
    *size = st.st_size;
    return 0;
}

/* Bytes behind the last whole block are left out: they cannot be read by blocks. */
static int get_size(struct image *img, const char *path, uint64_t *size, struct error *err)
{
    int r = get_file_size(img, path, size, err);

    if (r == 0) {
        img->left_out = *size % image_block(img);
        *size -= img->left_out;
    }
    return r;
}

static bool is_block_device(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

static bool is_in_memory(const struct image *img)
{
    struct statfs fs;

    return !img->block_device && fstatfs(img->fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* Hints for the guest: a value that the host does not report stays 0. */
static void get_topology(struct image *img)
{
    unsigned block = 0, optimal = 0;
    struct stat st;

    if (img->block_device) {
        ioctl(img->fd, BLKPBSZGET, &block);
        ioctl(img->fd, BLKIOOPT, &optimal);
    } else if (fstat(img->fd, &st) == 0) {
        block = st.st_blksize > PHYSICAL_BLOCK_MAX ? PHYSICAL_BLOCK_MAX : (unsigned)st.st_blksize;
    }
    if (block >= SECTOR_SIZE && (block & (block - 1)) == 0) {
        img->physical_block = block;
    }
    if (img->physical_block && optimal % img->physical_block == 0) {
        img->optimal_io = optimal;
    }
}

/* Finds the alignment for O_DIRECT, and checks by a read that it works. */
static int set_up_direct(struct image *img, const char *path, struct error *err)
{
    struct image_dio dio;
    uint8_t *buf;
    int num = 0;

    image_dio(img->fd, &dio);
    if (dio.align > IMAGE_ALIGN_MAX) {
        return error_set(err, -EINVAL,
                         "disk image %s has blocks of %u bytes, and O_DIRECT, which cache=none and "
                         "cache=directsync need, is possible with blocks of up to %d: use "
                         "cache=writeback or cache=writethrough",
                         path, dio.align, IMAGE_ALIGN_MAX);
    }
    img->align = dio.align;
    img->page_cache = dio.page_cache;
    buf = aligned_alloc(dio.align, dio.align);
    if (!buf) {
        return error_set(err, -ENOMEM, "out of memory for opening disk image %s", path);
    }
    if (pread(img->fd, buf, dio.align, 0) < 0) {
        num = errno;
    }
    free(buf);
    return num ? error_set(err, -num, "cannot read disk image %s: %s", path, strerror(num)) : 0;
}

/*
 * A process that was killed may have left data in the page cache. A guest without a write cache
 * never flushes, and relies on all data that it reads being durable.
 */
static int make_durable(const struct image *img, const char *path, struct error *err)
{
    if (!img->writethrough || img->readonly || fdatasync(img->fd) == 0) {
        return 0;
    }
    return error_set(err, -errno, "cannot flush disk image %s: %s", path, strerror(errno));
}

/*
 * O_NOATIME: the kernel then skips the access-time check on every read. Only the owner of the file
 * may use it.
 */
static int open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_NOATIME);

    return fd < 0 && errno == EPERM ? open(path, flags) : fd;
}

int image_open(struct image *img, const struct image_config *config, struct error *err)
{
    int flags =
        O_CLOEXEC | (config->readonly ? O_RDONLY : O_RDWR) | (config->direct ? O_DIRECT : 0);
    int r;

    *img = (struct image){
        .fd = -1,
        .align = 1,
        .block_size = config->block_size ? config->block_size : SECTOR_SIZE,
        .readonly = config->readonly,
    };
    if (config->uri || config->rbd || config->format) {
        r = config->format ? open_format(img, config, err)
            : config->rbd  ? open_rbd(img, config, err)
                           : open_export(img, config, config->uri, err);
        if (r < 0) {
            image_close(img);
        }
        return r;
    }
    if (!config->path) {
        return open_without_file(img, config->size, err);
    }
    r = check_kind(config, err);
    if (r == 0) {
        r = check_format(config, err);
    }
    if (r < 0) {
        return r;
    }
    img->fd = open_file(config->path, flags);
    if (img->fd < 0) {
        return open_error(config, errno, err);
    }
    img->block_device = is_block_device(img->fd);
    img->in_memory = is_in_memory(img);
    img->direct = config->direct;
    img->writethrough = config->writethrough;
    r = image_lock(img->fd, config->path, !config->readonly,
                   config->share_rw ? IMAGE_OTHERS_WRITE : IMAGE_OTHERS_READ, err);
    if (r == 0) {
        r = get_file_size(img, config->path, &img->size, err);
    }
    if (r == 0) {
        r = check_size(config->path, img->size, img->block_device, err);
    }
    if (r == 0 && img->direct) {
        r = set_up_direct(img, config->path, err);
    }
    if (r == 0) {
        r = get_size(img, config->path, &img->size, err);
    }
    if (r == 0 && img->size == 0) {
        r = error_set(err, -EINVAL, "disk image %s has %u bytes, less than a block", config->path,
                      img->left_out);
    }
    if (r == 0) {
        r = make_durable(img, config->path, err);
    }
    if (r < 0) {
        image_close(img);
        return r;
    }
    get_topology(img);
    return 0;
}

int image_update_size(struct image *img, const char *name, struct error *err)
{
    uint64_t size;
    int r;

    if (image_on_server(img)) {
        size = img->nbd ? export_size(img->nbd) : load_relaxed(&img->rbd->size);
        img->left_out = size % image_block(img);
        size -= img->left_out;
    } else if (img->fd >= 0) {
        r = get_size(img, name, &size, err);
        if (r < 0) {
            return r;
        }
    } else {
        return 0;
    }
    if (size != img->size) {
        store_relaxed(&img->size, size);
        return 1;
    }
    if (img->nbd) { /* a server that changes its mind all the time is not asked all the time */
        probe_start(img->probe);
    }
    return 0;
}

int image_resize(struct image *img, uint64_t size, const char *name, struct error *err)
{
    uint64_t now = img->size;
    int ret = 0;

    if (img->fd < 0 || img->readonly) {
        return error_set(err, -EROFS, "%s: %s", name,
                         img->rbd ? "rbd resize gives the image another size"
                         : img->helper
                             ? "an image of another format keeps its size while it is in use"
                         : img->nbd    ? "resize the export on the server, then send SIGHUP"
                         : img->fd < 0 ? "there is no file"
                                       : "the image is read-only");
    }
    if (size == 0 || size % image_block(img) || size > INT64_MAX) {
        return error_set(err, -EINVAL, "%s: %" PRIu64 " bytes are no whole blocks of %u", name,
                         size, image_block(img));
    }
    if (!img->block_device) {
        return ftruncate(img->fd, (off_t)size) < 0
                   ? error_set(err, -errno, "%s: cannot resize the image: %s", name,
                               strerror(errno))
                   : 0;
    }
    ret = get_file_size(img, name, &now, err);
    if (ret == 0 && now != size) {
        ret = error_set(err, -EINVAL,
                        "%s: the image is a block device of %" PRIu64
                        " bytes, which has to be resized first",
                        name, now);
    }
    return ret;
}

void image_close(struct image *img)
{
    if (img->fd >= 0) {
        image_unlock(img->fd);
        close(img->fd);
        img->fd = -1;
    }
    if (img->probe) {
        probe_destroy(img->probe);
        free(img->probe);
        img->probe = NULL;
    }
    if (img->nbd) {
        export_close(img->nbd);
        free(img->nbd);
        img->nbd = NULL;
    }
    if (img->rbd) {
        rbd_image_close(img->rbd);
        free(img->rbd);
        img->rbd = NULL;
    }
    if (img->helper) {
        helper_destroy(img->helper);
        free(img->helper);
        img->helper = NULL;
    }
}
