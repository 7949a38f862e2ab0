// SPDX-License-Identifier: MIT
/*
 * Numbered records that prove which writes outlived a kill.
 *
 *   records write DIR RAW          in the guest: write until the machine ends, and tell
 *                                  "A<writer> <n>." on standard output when fsync() has returned
 *                                  for the first n records of a writer, "E<writer> why" if it
 * failed records check DIR RAW TOLD     afterwards: is what the lines of TOLD acknowledge there,
 * unharmed? records wait FILE...           until no other process holds a lock on them
 *
 * Every byte follows from the writer and the record's number, so that nothing but the
 * acknowledgements has to be kept, and a record is right in full or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Three append to logs, one replaces a file by rename, two write a disk without a file system. */
enum { APPENDERS = 3, REPLACER = 3, RAW_FIRST = 4, RAW_WRITERS = 2, WRITERS = 6 };

#define RAW_RECORD 4096
#define RECORD_MAX 32768
#define BURST_MAX  8

static void die(const char *what)
{
    fprintf(stderr, "records: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* --- what a record looks like --- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static uint64_t seed(unsigned writer, uint64_t n)
{
    return mix((uint64_t)writer << 56 | (n + 1));
}

static size_t record_size(unsigned writer, uint64_t n)
{
    if (writer >= RAW_FIRST) {
        return RAW_RECORD;
    }
    return 48 + seed(writer, n) % (writer == REPLACER ? 20000 : 6000);
}

/* Return: its size. The number itself comes first. */
static size_t record_make(uint8_t *to, unsigned writer, uint64_t n)
{
    size_t size = record_size(writer, n);
    uint64_t word = n;

    for (size_t at = 0; at < size; at += sizeof(word)) {
        size_t rest = size - at;

        memcpy(to + at, &word, rest < sizeof(word) ? rest : sizeof(word));
        word = mix(seed(writer, n) + at);
    }
    return size;
}

/* How many records in a row are right, if @n are known to come before; @end: where they end. */
static uint64_t count_records(const uint8_t *data, size_t size, unsigned writer, uint64_t n,
                              size_t *end)
{
    static uint8_t want[RECORD_MAX];

    *end = 0;
    for (;;) {
        size_t len = record_make(want, writer, n);

        if (len > size - *end || memcmp(data + *end, want, len) != 0) {
            return n;
        }
        *end += len;
        n++;
    }
}

/* The file that was replaced last holds one record: its number tells how many came before. */
static uint64_t count_replaced(const uint8_t *data, size_t size)
{
    static uint8_t want[RECORD_MAX];
    uint64_t n;

    if (size < sizeof(n)) {
        return 0;
    }
    memcpy(&n, data, sizeof(n));
    if (size != record_size(REPLACER, n)) {
        return 0;
    }
    record_make(want, REPLACER, n);
    return memcmp(data, want, size) == 0 ? n + 1 : 0;
}

/* --- where a writer's records are --- */

struct place {
    int fd;
    off_t start;
    size_t size;
};

static const char *file_of(char *path, size_t size, const char *dir, unsigned writer)
{
    if (writer == REPLACER) {
        snprintf(path, size, "%s/current", dir);
    } else {
        snprintf(path, size, "%s/log%u", dir, writer);
    }
    return path;
}

/* Return: false if there is no such file. */
static bool place_open(struct place *p, const char *dir, const char *raw, unsigned writer,
                       int flags)
{
    char path[256];
    const char *name = writer >= RAW_FIRST ? raw : file_of(path, sizeof(path), dir, writer);
    off_t size;

    p->fd = open(name, flags, 0644);
    if (p->fd < 0 && errno == ENOENT) {
        return false;
    }
    size = p->fd < 0 ? -1 : lseek(p->fd, 0, SEEK_END);
    if (size < 0) {
        die(name);
    }
    p->start = 0;
    p->size = (size_t)size;
    if (writer >= RAW_FIRST) {
        p->size = p->size / RAW_WRITERS & ~(size_t)(RAW_RECORD - 1);
        p->start = (off_t)(p->size * (writer - RAW_FIRST));
    }
    return true;
}

static void read_at(int fd, uint8_t *to, size_t size, off_t offset)
{
    while (size > 0) {
        ssize_t got = pread(fd, to, size, offset);

        if (got <= 0) {
            die("read");
        }
        to += got;
        size -= (size_t)got;
        offset += got;
    }
}

/* In pieces, so that not all of a disk is read that has little on it yet. */
static uint64_t count_raw(const struct place *p, unsigned writer, size_t *end)
{
    static uint8_t piece[64 * RAW_RECORD];
    uint64_t n = 0;
    size_t len;

    do {
        len = p->size - n * RAW_RECORD;
        len = len < sizeof(piece) ? len : sizeof(piece);
        read_at(p->fd, piece, len, p->start + (off_t)(n * RAW_RECORD));
        n = count_records(piece, len, writer, n, end);
    } while (*end == len && len > 0);
    *end = n * RAW_RECORD;
    return n;
}

/* How many records of the writer are there, and where they end. */
static uint64_t place_count(const struct place *p, unsigned writer, size_t *end)
{
    uint8_t *data;
    uint64_t n;

    if (writer >= RAW_FIRST) {
        return count_raw(p, writer, end);
    }
    data = malloc(p->size + 1);
    if (!data) {
        die("memory");
    }
    read_at(p->fd, data, p->size, 0);
    n = writer == REPLACER ? count_replaced(data, p->size)
                           : count_records(data, p->size, writer, 0, end);
    free(data);
    return n;
}

/* --- in the guest --- */

static _Noreturn void writer_failed(unsigned writer, const char *what)
{
    printf("E%u %s: %s\n", writer, what, strerror(errno));
    exit(1);
}

static void acknowledge(unsigned writer, uint64_t n)
{
    char line[40];
    int len = snprintf(line, sizeof(line), "A%u %llu.\n", writer, (unsigned long long)n);

    if (write(1, line, (size_t)len) != len) {
        exit(1);
    }
}

static unsigned burst(unsigned writer, uint64_t n)
{
    return 1 + seed(writer, n) / 7 % BURST_MAX;
}

static void append(const char *dir, unsigned writer)
{
    static uint8_t buf[RECORD_MAX];
    struct place p;
    size_t end = 0;
    uint64_t n;

    if (!place_open(&p, dir, "", writer, O_RDWR | O_CREAT)) {
        writer_failed(writer, "open");
    }
    n = place_count(&p, writer, &end);
    /* Behind the last record may be a torn one. */
    if (ftruncate(p.fd, (off_t)end) < 0 || lseek(p.fd, 0, SEEK_END) < 0) {
        writer_failed(writer, "truncate");
    }
    for (;;) {
        for (unsigned left = burst(writer, n); left > 0; left--) {
            size_t len = record_make(buf, writer, n);

            if (write(p.fd, buf, len) != (ssize_t)len) {
                writer_failed(writer, "write");
            }
            n++;
        }
        if (n % 2 ? fsync(p.fd) : fdatasync(p.fd)) {
            writer_failed(writer, "fsync");
        }
        acknowledge(writer, n);
    }
}

static void replace(const char *dir)
{
    static uint8_t buf[RECORD_MAX];
    char path[256], next[256];
    struct place p;
    size_t end;
    uint64_t n = 0;
    int dirfd = open(dir, O_RDONLY | O_DIRECTORY);

    file_of(path, sizeof(path), dir, REPLACER);
    snprintf(next, sizeof(next), "%s/next", dir);
    if (place_open(&p, dir, "", REPLACER, O_RDONLY)) {
        n = place_count(&p, REPLACER, &end);
        close(p.fd);
    }
    for (;; n++) {
        int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        size_t len = record_make(buf, REPLACER, n);

        if (fd < 0 || write(fd, buf, len) != (ssize_t)len || fsync(fd) < 0 || close(fd) < 0) {
            writer_failed(REPLACER, "new file");
        }
        if (rename(next, path) < 0 || fsync(dirfd) < 0) {
            writer_failed(REPLACER, "rename");
        }
        acknowledge(REPLACER, n + 1);
    }
}

static void write_raw(const char *raw, unsigned writer)
{
    static uint8_t buf[RAW_RECORD] __attribute__((aligned(4096)));
    struct place p;
    size_t end;
    uint64_t n;

    if (!place_open(&p, "", raw, writer, O_RDWR)) {
        writer_failed(writer, "open");
    }
    n = place_count(&p, writer, &end);
    if (fcntl(p.fd, F_SETFL, O_DIRECT) < 0) {
        writer_failed(writer, "O_DIRECT");
    }
    for (;;) {
        for (unsigned left = burst(writer, n); left > 0; left--) {
            record_make(buf, writer, n);
            if ((n + 1) * RAW_RECORD > p.size) {
                printf("no room for more records of writer %u\n", writer);
                exit(0);
            }
            if (pwrite(p.fd, buf, sizeof(buf), p.start + (off_t)(n * RAW_RECORD)) !=
                (ssize_t)sizeof(buf)) {
                writer_failed(writer, "write");
            }
            n++;
        }
        if (fdatasync(p.fd) < 0) {
            writer_failed(writer, "fdatasync");
        }
        acknowledge(writer, n);
    }
}

static int write_all(const char *dir, const char *raw)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        if (fork() > 0) {
            continue;
        }
        if (writer < APPENDERS) {
            append(dir, writer);
        } else if (writer == REPLACER) {
            replace(dir);
        } else {
            write_raw(raw, writer);
        }
    }
    while (wait(NULL) > 0) {
    }
    return 0;
}

/* --- afterwards --- */

/* A line that the kill cut off ends without its full stop, and says nothing. */
static void read_told(uint64_t told[WRITERS], const char *file)
{
    FILE *f = fopen(file, "r");
    char line[256], stop;
    unsigned writer;
    unsigned long long n;

    if (!f) {
        die(file);
    }
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "A%u %llu%c", &writer, &n, &stop) == 3 && stop == '.' &&
            writer < WRITERS && told[writer] < n) {
            told[writer] = n;
        }
    }
    fclose(f);
}

static int check_all(const char *dir, const char *raw, const char *file)
{
    uint64_t told[WRITERS] = {0}, all_told = 0, all_found = 0;
    int lost = 0;

    read_told(told, file);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        struct place p = {.size = 0};
        size_t end = 0;
        uint64_t found = 0;

        if (place_open(&p, dir, raw, writer, O_RDONLY)) {
            found = place_count(&p, writer, &end);
            close(p.fd);
        }
        all_told += told[writer];
        all_found += found;
        if (found < told[writer]) {
            printf(
                "LOST: writer %u has %llu records of %llu acknowledged ones; the next one, at %zu "
                "of %zu bytes, is missing or corrupt\n",
                writer, (unsigned long long)found, (unsigned long long)told[writer], end, p.size);
            lost = 1;
        }
    }
    printf("%llu records acknowledged, %llu found\n", (unsigned long long)all_told,
           (unsigned long long)all_found);
    return lost;
}

/* The kernel may go on with I/O of an io_uring after its process has gone. */
static int wait_unlocked(char **files, int n)
{
    for (int i = 0; i < n; i++) {
        struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(files[i], O_RDWR);

        if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &all) < 0) {
            die(files[i]);
        }
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "write")) {
        return write_all(argv[2], argv[3]);
    }
    if (argc == 5 && !strcmp(argv[1], "check")) {
        return check_all(argv[2], argv[3], argv[4]);
    }
    if (argc >= 3 && !strcmp(argv[1], "wait")) {
        return wait_unlocked(argv + 2, argc - 2);
    }
    fprintf(stderr, "usage: records write DIR RAW | check DIR RAW TOLD | wait FILE...\n");
    return 2;
}
