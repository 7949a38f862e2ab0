// SPDX-License-Identifier: MIT
/*
 * log-replay LOG DISK MARK: do to DISK what a device of dm-log-writes did until somebody marked its
 * log with MARK.
 *
 * That target logs a write only when the device has been flushed after it, or when it was FUA. So
 * what comes before a mark is what a loss of power at that moment would have left, at the worst.
 * The format (Documentation/admin-guide/device-mapper/log-writes.rst, all numbers little endian)
 * counts in the sectors that its first block names. An entry has a sector of its own, with the text
 * of a mark behind it; then comes the data, which discards do not have.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_MAGIC   0x6a736677736872ull
#define LOG_VERSION 1
#define SECTOR_MAX  4096
#define WRITE_MAX   (64u << 20)

enum { LOG_FLUSH = 1, LOG_FUA = 2, LOG_DISCARD = 4, LOG_MARK = 8 };

struct log_super {
    uint64_t magic, version, nr_entries;
    uint32_t sector_size;
} __attribute__((packed));

struct log_entry {
    uint64_t sector, nr_sectors, flags, data_len;
};

struct replay {
    int log, disk;
    uint64_t at; /* where the next entry of the log is */
    uint64_t nr_entries;
    uint32_t sector_size;
};

static int read_all(int fd, void *buf, size_t len, uint64_t offset)
{
    ssize_t n = pread(fd, buf, len, offset);

    return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

static int open_log(struct replay *r)
{
    struct log_super super;

    if (read_all(r->log, &super, sizeof(super), 0) < 0 || le64toh(super.magic) != LOG_MAGIC ||
        le64toh(super.version) != LOG_VERSION) {
        return -EINVAL;
    }
    r->nr_entries = le64toh(super.nr_entries);
    r->sector_size = le32toh(super.sector_size);
    r->at = r->sector_size;
    return r->sector_size < 512 || r->sector_size > SECTOR_MAX ? -EINVAL : 0;
}

static int copy(struct replay *r, const struct log_entry *e)
{
    uint64_t len = e->nr_sectors * r->sector_size;
    uint8_t *data = len && len <= WRITE_MAX ? calloc(1, len) : NULL;
    int ret = len ? -EINVAL : 0;

    if (data) {
        ret = e->flags & LOG_DISCARD ? 0 : read_all(r->log, data, len, r->at);
        if (ret == 0 && pwrite(r->disk, data, len, e->sector * r->sector_size) != (ssize_t)len) {
            ret = -EIO;
        }
        free(data);
    }
    if (!(e->flags & LOG_DISCARD)) {
        r->at += len;
    }
    return ret;
}

/* Return: 1 it was the mark, 0 go on, -errno. */
static int step(struct replay *r, const char *mark)
{
    uint8_t sector[SECTOR_MAX];
    struct log_entry e;
    int ret = read_all(r->log, sector, r->sector_size, r->at);

    if (ret < 0) {
        return ret;
    }
    memcpy(&e, sector, sizeof(e));
    e.sector = le64toh(e.sector);
    e.nr_sectors = le64toh(e.nr_sectors);
    e.flags = le64toh(e.flags);
    e.data_len = le64toh(e.data_len);
    r->at += r->sector_size;
    if (e.flags & LOG_MARK) {
        return e.data_len == strlen(mark) && e.data_len <= r->sector_size - sizeof(e) &&
               memcmp(sector + sizeof(e), mark, e.data_len) == 0;
    }
    return copy(r, &e);
}

int main(int argc, char **argv)
{
    struct replay r = {0};
    uint64_t nr;
    int ret = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: log-replay LOG DISK MARK\n");
        return 2;
    }
    r.log = open(argv[1], O_RDONLY);
    r.disk = open(argv[2], O_WRONLY);
    if (r.log < 0 || r.disk < 0) {
        perror(r.log < 0 ? argv[1] : argv[2]);
        return 2;
    }
    if (open_log(&r) < 0) {
        fprintf(stderr, "%s is no log of dm-log-writes\n", argv[1]);
        return 2;
    }
    for (nr = 0; nr < r.nr_entries && ret == 0; nr++) {
        ret = step(&r, argv[3]);
    }
    if (ret <= 0) {
        fprintf(stderr, "%s: %s after %" PRIu64 " of %" PRIu64 " entries\n", argv[1],
                ret ? strerror(-ret) : "the mark did not come", nr, r.nr_entries);
        return 1;
    }
    printf("%" PRIu64 " of %" PRIu64 " entries before mark %s\n", nr - 1, r.nr_entries, argv[3]);
    return 0;
}
