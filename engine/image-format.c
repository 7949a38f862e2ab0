// SPDX-License-Identifier: MIT
/*
 * Detection of image formats. A guest that gets the file of a qcow2 image as a raw disk finds
 * metadata in its first sector, and destroys the image with its first write. Each format has a
 * magic number at a fixed offset near the beginning of the file, or in a footer.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "engine/image-format.h"

#define MAGIC_MAX 32
#define MAGIC(s)  s, sizeof(s) - 1

static const struct {
    const char *name;
    const char *magic;
    size_t len;
    off_t at; /* offset; below 0: from the end of the file */
} formats[] = {
    {"qcow", MAGIC("QFI\xfb\0\0\0\1"), 0},
    {"qcow2", MAGIC("QFI\xfb"), 0},
    {"qed", MAGIC("QED\0"), 0},
    {"vmdk", MAGIC("KDMV"), 0},
    {"vmdk", MAGIC("COWD"), 0},
    {"vmdk", MAGIC("# Disk DescriptorFile"), 0},
    {"vhdx", MAGIC("vhdxfile"), 0},
    {"vpc", MAGIC("conectix"), 0},
    {"vpc", MAGIC("conectix"), -512},
    {"vpc", MAGIC("conectix"), -511}, /* by old versions of Virtual PC */
    {"vdi", MAGIC("\x7f\x10\xda\xbe"), 64},
    {"parallels", MAGIC("WithoutFreeSpace"), 0},
    {"parallels", MAGIC("WithouFreSpacExt"), 0},
    {"bochs", MAGIC("Bochs Virtual HD Image"), 0},
    {"dmg", MAGIC("koly"), -512},
};

static bool has_magic(int fd, off_t size, unsigned i)
{
    off_t at = formats[i].at < 0 ? size + formats[i].at : formats[i].at;
    char found[MAGIC_MAX];

    return at >= 0 && pread(fd, found, formats[i].len, at) == (ssize_t)formats[i].len &&
           memcmp(found, formats[i].magic, formats[i].len) == 0;
}

const char *image_format(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    const char *name = NULL;

    for (unsigned i = 0; fd >= 0 && !name && i < sizeof(formats) / sizeof(formats[0]); i++) {
        name = has_magic(fd, size, i) ? formats[i].name : NULL;
    }
    if (fd >= 0) {
        close(fd);
    }
    return name;
}
