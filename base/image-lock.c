// SPDX-License-Identifier: MIT
/*
 * A process that opens an image takes shared locks on bytes of the file: one for each access that it
 * makes (reads, writes), and one for each access that it allows no other process. It takes its own
 * locks first and then tests the bytes of conflicting accesses. Two processes that open the image at
 * the same time may both be refused; they are never both admitted.
 *
 * The locks are shared ones, because an exclusive lock needs a descriptor that is open for writing.
 * The byte offsets are those of QEMU (block/file-posix.c), so QEMU and Pollux refuse images that the
 * other one uses. No data is stored at these offsets.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/image-lock.h"

#define READS      100
#define WRITES     101
#define NO_READERS 200
#define NO_WRITERS 201

/*
 * A lock without an owner in /proc may be that of a process that was killed: the kernel closes the
 * files of an io_uring some time after the end of its process.
 */
#define GONE_TRIES  100
#define GONE_TRY_US 10000

static struct flock byte_lock(short type, off_t byte)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

static int hold(int fd, off_t byte)
{
    struct flock lock = byte_lock(F_RDLCK, byte);

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

static bool held_by_another(int fd, off_t byte)
{
    struct flock lock = byte_lock(F_WRLCK, byte);

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* --- the owner of a lock --- */

/* Does /proc/PID/fdinfo/FD have a lock on @byte? (/proc/locks has no process for these locks.) */
static bool fdinfo_has_lock(const char *pid, const char *fd, off_t byte)
{
    char path[600], line[256];
    bool found = false;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
    f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof(line), f)) {
        unsigned long long first, last;

        found = sscanf(line, "lock: %*s OFDLCK %*s %*s %*s %*s %llu %llu", &first, &last) == 2 &&
                first <= (unsigned long long)byte && (unsigned long long)byte <= last;
    }
    if (f) {
        fclose(f);
    }
    return found;
}

/* Has process @pid, by another descriptor than @own, a lock on @byte of file @st? */
static bool process_has_lock(const char *pid, int own, const struct stat *st, off_t byte)
{
    char path[600];
    bool found = false;
    struct dirent *e;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    dir = opendir(path);
    while (dir && !found && (e = readdir(dir))) {
        int fd;
        struct stat other;

        if (sscanf(e->d_name, "%d", &fd) != 1 || fd == own) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%s/fd/%d", pid, fd);
        found = stat(path, &other) == 0 && other.st_dev == st->st_dev &&
                other.st_ino == st->st_ino && fdinfo_has_lock(pid, e->d_name, byte);
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

static void describe_process(const char *pid, char *out, size_t size)
{
    char path[600], name[64] = "a process";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    f = fopen(path, "re");
    if (f) {
        if (fgets(name, sizeof(name), f)) {
            name[strcspn(name, "\n")] = '\0';
        }
        fclose(f);
    }
    snprintf(out, size, "%.15s (pid %.15s)", name, pid);
}

/* Processes of other users may be invisible. Return: whether an owner was found. */
static bool describe_holder(int fd, off_t byte, char *out, size_t size)
{
    struct stat st;
    struct dirent *e;
    char self[16];
    bool found = false;
    DIR *dir;

    snprintf(out, size, "another process");
    snprintf(self, sizeof(self), "%d", (int)getpid());
    if (fstat(fd, &st) < 0) {
        return false;
    }
    if (process_has_lock(self, fd, &st, byte)) {
        snprintf(out, size, "another disk of this process");
        return true;
    }
    dir = opendir("/proc");
    while (dir && !found && (e = readdir(dir))) {
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && strcmp(e->d_name, self) != 0 &&
            process_has_lock(e->d_name, -1, &st, byte)) {
            describe_process(e->d_name, out, size);
            found = true;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

/* --- the lock --- */

static int take(int fd, bool writes, enum image_others others)
{
    int r = hold(fd, READS);

    if (r == 0 && writes) {
        r = hold(fd, WRITES);
    }
    if (r == 0 && others < IMAGE_OTHERS_WRITE) {
        r = hold(fd, NO_WRITERS);
    }
    if (r == 0 && others < IMAGE_OTHERS_READ) {
        r = hold(fd, NO_READERS);
    }
    return r;
}

/* Return: a byte that another process has locked and that conflicts with our access, or 0. */
static off_t objection(int fd, bool writes, enum image_others others)
{
    if (held_by_another(fd, NO_READERS)) {
        return NO_READERS;
    }
    if (writes && held_by_another(fd, NO_WRITERS)) {
        return NO_WRITERS;
    }
    if (others < IMAGE_OTHERS_WRITE && held_by_another(fd, WRITES)) {
        return WRITES;
    }
    return others < IMAGE_OTHERS_READ && held_by_another(fd, READS) ? READS : 0;
}

int image_lock(int fd, const char *path, bool writes, enum image_others others, struct error *err)
{
    int r = take(fd, writes, others);
    char who[64];
    off_t byte;

    if (r == -ENOLCK || r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL) {
        return 0;
    }
    if (r < 0) {
        return error_set(err, r, "cannot lock disk image %s: %s", path, strerror(-r));
    }
    for (unsigned tries = 0; (byte = objection(fd, writes, others)); tries++) {
        if (describe_holder(fd, byte, who, sizeof(who)) || tries == GONE_TRIES) {
            return error_set(
                err, -EBUSY, "disk image %s is in use by %s, which %s it: end that first%s", path,
                who, held_by_another(fd, WRITES) ? "writes" : "reads",
                others == IMAGE_OTHERS_NOTHING ? ""
                                               : ", or, if both guests can share a disk that is "
                                                 "written, add share-rw=on to both");
        }
        usleep(GONE_TRY_US);
    }
    return 0;
}

void image_unlock(int fd)
{
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    fcntl(fd, F_OFD_SETLK, &all);
}
