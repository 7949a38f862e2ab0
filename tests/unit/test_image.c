// SPDX-License-Identifier: MIT
/* Opening a disk image: files that are refused; the message names the file and the remedy. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/image.h"
#include "tests/unit/suite.h"

static int read_fails; /* with this errno */

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
    if (read_fails) {
        errno = read_fails;
        return -1;
    }
    return pread64(fd, buf, len, offset);
}

static char dir[64];
static char path[128];

static void make_dir(void)
{
    strcpy(dir, "/var/tmp/pollux-image-XXXXXX");
    ck_assert_ptr_ne(mkdtemp(dir), NULL);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    snprintf(path, sizeof(path), "%s/disk.img", dir);
}

static void remove_dir(void)
{
    unlink(path);
    rmdir(path);
    rmdir(dir);
}

static void make_file(off_t size)
{
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    close(fd);
}

/* In every mode. */
static void assert_refused(const char *what, int num, const char *because)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        struct image_config config = {.path = what, .readonly = mode & 1, .direct = mode & 2};
        struct error err = {""};
        struct image img;

        ck_assert_int_eq(image_open(&img, &config, &err), num);
        ck_assert_msg(strstr(err.msg, what), "no file is named: %s", err.msg);
        ck_assert_msg(strstr(err.msg, because), "not said: %s, but: %s", because, err.msg);
        ck_assert_msg(!strchr(err.msg, '\n'), "more than a line: %s", err.msg);
        ck_assert_int_eq(img.fd, -1);
        image_close(&img); /* safe after a failure */
    }
}

START_TEST(a_good_image_opens)
{
    struct image_config config = {.path = path};
    struct error err = {""};
    struct image img;

    make_file(7 * 512);
    ck_assert_msg(image_open(&img, &config, &err) == 0, "%s", err.msg);
    ck_assert_int_ge(img.fd, 0);
    ck_assert_uint_eq(img.size, 7 * 512);
    ck_assert_uint_eq(img.align, 1);
    ck_assert(!img.readonly && !img.direct);
    ck_assert_msg(!(fcntl(img.fd, F_GETFL) & O_NONBLOCK),
                  "io_uring gives EAGAIN on a file that is not to block");
    ck_assert_int_ne(fcntl(img.fd, F_GETFD) & FD_CLOEXEC, 0);
    image_close(&img);
    ck_assert_int_eq(img.fd, -1);
    image_close(&img);

    config.readonly = true;
    ck_assert_int_eq(image_open(&img, &config, &err), 0);
    ck_assert(img.readonly);
    ck_assert_int_eq(write(img.fd, "x", 1), -1);
    image_close(&img);
}
END_TEST

START_TEST(the_alignment_of_a_direct_image_is_what_the_file_system_wants)
{
    struct image_config config = {.path = path, .direct = true};
    struct error err = {""};
    struct image img;
    uint8_t *buf = aligned_alloc(4096, 16384);

    make_file(1 << 20);
    if (image_open(&img, &config, &err) == -EINVAL && strstr(err.msg, "O_DIRECT")) {
        printf("skipped: %s\n", err.msg);
        free(buf);
        return;
    }
    ck_assert_msg(err.msg[0] == 0, "%s", err.msg);
    ck_assert(img.direct);
    ck_assert_int_ne(fcntl(img.fd, F_GETFL) & O_DIRECT, 0);
    ck_assert_uint_ge(img.align, 512);
    ck_assert_uint_eq(img.align & (img.align - 1), 0);
    /* an odd multiple of it, at an address that is no more aligned */
    ck_assert_int_eq(pread(img.fd, buf + img.align, img.align, img.align), img.align);
    ck_assert_int_eq(pwrite(img.fd, buf + img.align, img.align, 3 * img.align), img.align);
    image_close(&img);
    free(buf);
}
END_TEST

/* --- what the kernel says of O_DIRECT --- */

static struct {
    bool fake;
    unsigned mask, align;
} dio;

int statx(int fd, const char *restrict name, int flags, unsigned mask, struct statx *restrict x)
{
    int ret = (int)syscall(SYS_statx, fd, name, flags, mask, x);

    if (dio.fake) {
        x->stx_mask = (x->stx_mask & ~STATX_DIOALIGN) | dio.mask;
        x->stx_dio_offset_align = x->stx_dio_mem_align = dio.align;
    }
    return ret;
}

static int open_direct(struct image *img, struct error *err)
{
    struct image_config config = {.path = path, .direct = true};

    err->msg[0] = '\0';
    return image_open(img, &config, err);
}

START_TEST(a_direct_image_that_cannot_be_read_is_refused)
{
    struct error err = {""};
    struct image img;

    make_file(1 << 20);
    if (open_direct(&img, &err) < 0) {
        printf("skipped: %s\n", err.msg);
        return;
    }
    image_close(&img);
    read_fails = EIO;
    ck_assert_int_eq(open_direct(&img, &err), -EIO);
    ck_assert_msg(strstr(err.msg, path) && strstr(err.msg, strerror(EIO)), "%s", err.msg);
    ck_assert_int_eq(img.fd, -1);
}
END_TEST

static unsigned open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

START_TEST(a_closed_image_leaves_no_descriptor)
{
    struct image_config config = {.path = path, .direct = _i};
    unsigned before = open_descriptors();
    struct error err = {""};
    struct image img;

    make_file(1 << 20);
    if (image_open(&img, &config, &err) == 0) {
        image_close(&img);
    }
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(an_image_may_be_descriptor_0_whatever_errno_was)
{
    struct image_config config = {.path = path};
    struct error err = {""};
    struct image img;

    make_file(1 << 20);
    close(0);
    errno = EPERM;
    ck_assert_msg(image_open(&img, &config, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(img.fd, 0);
    image_close(&img);
}
END_TEST

START_TEST(a_hole_does_not_hide_the_alignment)
{
    struct error err;
    struct image img;

    make_file(1 << 20);
    dio.fake = true;
    dio.mask = STATX_DIOALIGN;
    dio.align = 4096;
    ck_assert_msg(open_direct(&img, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(img.align, 4096);
    ck_assert_uint_eq(img.block_size, 512);
    ck_assert_ptr_null(img.page_cache);
    ck_assert(!image_in_page_cache(&img));
    image_close(&img);
}
END_TEST

/* Before Linux 6.1, or on a file system that does not answer. */
START_TEST(without_an_answer_the_block_of_the_device_is_the_alignment)
{
    char name[128];
    unsigned block = 4096;
    struct error err;
    struct image img;
    struct stat st;
    FILE *f;

    make_file(1 << 20);
    ck_assert_int_eq(stat(path, &st), 0);
    snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/queue/logical_block_size", major(st.st_dev),
             minor(st.st_dev));
    f = fopen(name, "r");
    if (f) {
        ck_assert_int_eq(fscanf(f, "%u", &block), 1);
        fclose(f);
    }
    dio.fake = true;
    ck_assert_msg(open_direct(&img, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(img.align, block);
    image_close(&img);
}
END_TEST

START_TEST(blocks_that_are_too_large_are_refused_with_what_to_do)
{
    struct error err;
    struct image img;

    make_file(1 << 20);
    dio.fake = true;
    dio.mask = STATX_DIOALIGN;
    dio.align = 16384;
    ck_assert_int_eq(open_direct(&img, &err), -EINVAL);
    ck_assert_msg(strstr(err.msg, "blocks of 16384 bytes") && strstr(err.msg, "cache=writeback"),
                  "%s", err.msg);
}
END_TEST

START_TEST(direct_io_that_is_none_is_the_page_cache)
{
    struct error err;
    struct image img;

    make_file(1 << 20);
    dio.fake = true;
    dio.mask = STATX_DIOALIGN;
    ck_assert_msg(open_direct(&img, &err) == 0, "%s", err.msg);
    ck_assert_ptr_nonnull(img.page_cache);
    ck_assert(img.direct && image_in_page_cache(&img));
    image_close(&img);
}
END_TEST

/* --- the same on real file systems, for which one must be root --- */

/* Return: whether it worked; what is printed is dropped. */
static bool shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = snprintf(command, sizeof(command), "{ ");
    n += vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
    va_end(ap);
    snprintf(command + n, sizeof(command) - (size_t)n, "; } >/dev/null 2>&1");
    return system(command) == 0;
}

static const struct {
    const char *mkfs;
    bool loop_dio;    /* of the loop device of the file system */
    const char *make; /* makes the image "m/disk" */
    bool on_device;   /* another loop device, with direct I/O, is on that image */
    const char *why;  /* the page cache; NULL: it is not used */
    unsigned align_at_least;
} hosts[] = {
    {"mkfs.btrfs -q", true, "truncate -s 8M m/disk", false, "btrfs", 512},
    {"mkfs.btrfs -q", true, "truncate -s 8M m/disk", true, "whose file is on btrfs", 512},
    {"mkfs.xfs -q", true, "truncate -s 8M m/disk", false, NULL, 512},
    {"mkfs.xfs -q -m reflink=1", true,
     "dd if=/dev/urandom of=m/a bs=1M count=8 && sync && cp --reflink=always m/a m/disk", false,
     NULL, 4096},
    {"mkfs.xfs -q", false, "truncate -s 8M m/disk", false, "loop device without", 512},
    {"mkfs.xfs -q", false, "truncate -s 8M m/disk", true, "loop device without", 512},
    {"mkfs.ext4 -q", true, "truncate -s 8M m/disk", true, NULL, 512},
};

/* In a mount namespace of its own: nothing is left behind, whatever becomes of the test. */
static bool make_host(int i)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return false;
    }
    ck_assert_int_eq(chdir(dir), 0);
    return shell("mkdir m && truncate -s 320M fs && PATH=$PATH:/sbin:/usr/sbin && %s fs",
                 hosts[i].mkfs) &&
           shell("l=$(losetup -f --show --direct-io=%s fs) && mount $l m; s=$?; losetup -d $l; "
                 "exit $s",
                 hosts[i].loop_dio ? "on" : "off") &&
           shell("%s", hosts[i].make) &&
           (!hosts[i].on_device ||
            shell("l=$(losetup -f --show --direct-io=on m/disk) && echo $l >device"));
}

static void remove_host(void)
{
    shell("umount m; rm -rf fs device m");
    ck_assert_int_eq(chdir("/"), 0);
}

/* Return: what image_open() does. The loop device, if any, goes when it is closed. */
static int open_on_host(int i, struct image *img, struct error *err)
{
    char name[64] = "m/disk";
    struct image_config config = {.path = name, .direct = true, .raw = true};
    int ret;

    if (hosts[i].on_device) {
        FILE *f = fopen("device", "r");

        ck_assert(f && fgets(name, sizeof(name), f));
        name[strcspn(name, "\n")] = '\0';
        fclose(f);
    }
    ret = image_open(img, &config, err);
    shell("losetup -d $(cat device)");
    return ret;
}

START_TEST(on_a_real_file_system_direct_io_is_what_it_is_taken_for)
{
    struct error err = {""};
    struct image img;
    uint8_t *buf;

    if (!make_host(_i)) {
        remove_host();
        printf("skipped: no loop device with %s here\n", hosts[_i].mkfs);
        return;
    }
    ck_assert_msg(open_on_host(_i, &img, &err) == 0, "%s", err.msg);
    if (hosts[_i].why) {
        ck_assert_msg(img.page_cache && strstr(img.page_cache, hosts[_i].why), "%s",
                      img.page_cache);
    } else {
        ck_assert_msg(!img.page_cache, "%s", img.page_cache);
    }
    ck_assert_uint_ge(img.align, hosts[_i].align_at_least);
    buf = aligned_alloc(img.align, img.align);
    memset(buf, 0x5a, img.align);
    ck_assert_int_eq(pwrite(img.fd, buf, img.align, img.align), img.align);
    memset(buf, 0, img.align);
    ck_assert_int_eq(pread(img.fd, buf, img.align, img.align), img.align);
    ck_assert_uint_eq(buf[img.align - 1], 0x5a);
    free(buf);
    image_close(&img);
    remove_host();
}
END_TEST

START_TEST(what_is_behind_the_last_block_is_left_out_at_open_and_at_a_resize)
{
    struct image_config config = {.path = path, .block_size = 4096};
    struct error err;
    struct image img;

    make_file(8192 + 512);
    for (unsigned direct = 0; direct < 2; direct++) {
        dio.fake = true;
        dio.mask = STATX_DIOALIGN;
        dio.align = 4096;
        if (direct) {
            config = (struct image_config){.path = path, .direct = true};
        }
        ck_assert_msg(image_open(&img, &config, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(img.size, 8192);
        ck_assert_uint_eq(img.left_out, 512);
        ck_assert_int_eq(image_update_size(&img, path, &err), 0);
        image_close(&img);
    }
    make_file(512);
    ck_assert_int_eq(image_open(&img, &config, &err), -EINVAL);
    ck_assert_msg(strstr(err.msg, "512 bytes, less than a block"), "%s", err.msg);
}
END_TEST

START_TEST(without_a_file_the_size_counts)
{
    struct image_config config = {.size = 1 << 20};
    struct error err = {""};
    struct image img;

    ck_assert_int_eq(image_open(&img, &config, &err), 0);
    ck_assert_int_eq(img.fd, -1);
    ck_assert_uint_eq(img.size, 1 << 20);
    image_close(&img);
    config.size = 0;
    ck_assert_int_eq(image_open(&img, &config, &err), -EINVAL);
    ck_assert_msg(strstr(err.msg, "size") && !strstr(err.msg, "truncate"),
                  "no file can be enlarged: %s", err.msg);
    config.size = 513;
    ck_assert_int_eq(image_open(&img, &config, &err), -EINVAL);
    ck_assert_msg(strstr(err.msg, "513") && !strstr(err.msg, "truncate"),
                  "no file can be enlarged: %s", err.msg);
}
END_TEST

START_TEST(a_missing_file_is_refused)
{
    assert_refused(path, -ENOENT, strerror(ENOENT));
}
END_TEST

START_TEST(a_directory_is_refused)
{
    ck_assert_int_eq(mkdir(path, 0755), 0);
    assert_refused(path, -EINVAL, "is a directory");
}
END_TEST

START_TEST(an_empty_file_is_refused)
{
    make_file(0);
    assert_refused(path, -EINVAL, "is empty: make one with truncate");
}
END_TEST

START_TEST(a_block_device_without_a_medium_is_refused)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int free_loop = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    char device[32];

    if (control >= 0) {
        close(control);
    }
    snprintf(device, sizeof(device), "/dev/loop%d", free_loop);
    if (free_loop < 0 || access(device, R_OK | W_OK) < 0) {
        printf("a_block_device_without_a_medium_is_refused: needs an unused loop device\n");
        return;
    }
    assert_refused(device, -ENOMEDIUM, "has no medium");
}
END_TEST

START_TEST(a_size_that_is_not_whole_sectors_is_refused)
{
    make_file(1000);
    assert_refused(path, -EINVAL, "1000 bytes, is not a multiple of 512");
}
END_TEST

/* --- formats --- */

static const struct {
    const char *format, *magic;
    size_t len;
    off_t at;
    off_t size;
} others[] = {
    /* A size that is no whole sectors, which alone would be refused with advice to enlarge. */
    {"qcow2", "QFI\xfb\0\0\0\3", 8, 0, 196616},
    {"qcow2", "QFI\xfb\0\0\0\2", 8, 0, 196608},
    {"qcow", "QFI\xfb\0\0\0\1", 8, 0, 4096},
    {"qed", "QED\0", 4, 0, 65536},
    {"vmdk", "KDMV", 4, 0, 65536},
    {"vmdk", "COWD", 4, 0, 65536},
    {"vmdk", "# Disk DescriptorFile\nversion=1\n", 32, 0, 330},
    {"vhdx", "vhdxfile", 8, 0, 1 << 20},
    {"vpc", "conectix", 8, 0, 65536 + 512},
    {"vpc", "conectix", 8, 65536, 65536 + 512},
    {"vpc", "conectix", 8, 65536, 65536 + 511},
    {"vdi", "\x7f\x10\xda\xbe", 4, 64, 1 << 20},
    {"parallels", "WithoutFreeSpace", 16, 0, 1 << 20},
    {"parallels", "WithouFreSpacExt", 16, 0, 1 << 20},
    {"bochs", "Bochs Virtual HD Image", 22, 0, 1 << 20},
    {"dmg", "koly", 4, 65536, 65536 + 512},
};

static void put_magic(const char *magic, size_t len, off_t at, off_t size)
{
    int fd;

    make_file(size);
    fd = open(path, O_RDWR);
    ck_assert_int_eq(pwrite(fd, magic, len, at), len);
    close(fd);
}

START_TEST(another_format_than_raw_is_refused_before_anything_else)
{
    char convert[64];

    snprintf(convert, sizeof(convert), "qemu-img convert -f %s -O raw", others[_i].format);
    put_magic(others[_i].magic, others[_i].len, others[_i].at, others[_i].size);
    assert_refused(path, -EINVAL, convert);
}
END_TEST

START_TEST(a_format_is_no_matter_if_raw_is_what_was_asked_for)
{
    struct image_config config = {.path = path, .raw = true};
    struct error err = {""};
    struct image img;

    put_magic(others[1].magic, others[1].len, others[1].at, others[1].size);
    ck_assert_msg(image_open(&img, &config, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(img.size, others[1].size);
    image_close(&img);
}
END_TEST

/* What a raw disk may begin with. */
START_TEST(what_a_raw_image_begins_with_is_no_format)
{
    static const struct {
        const char *magic;
        size_t len;
        off_t at;
    } raws[] = {
        {"LUKS\xba\xbe\0\2", 8, 0},
        {"\xeb\x63\x90", 3, 0},
        {"EFI PART", 8, 512},
        {"conectix", 8, 1024},
    };

    for (unsigned i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
        struct image_config config = {.path = path};
        struct error err = {""};
        struct image img;

        put_magic(raws[i].magic, raws[i].len, raws[i].at, 65536);
        ck_assert_msg(image_open(&img, &config, &err) == 0, "%s", err.msg);
        image_close(&img);
    }
}
END_TEST

START_TEST(a_fifo_is_refused_and_does_not_hang)
{
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    assert_refused(path, -EINVAL, "neither file nor disk");
}
END_TEST

START_TEST(a_character_device_is_refused)
{
    assert_refused("/dev/null", -EINVAL, "neither file nor disk");
}
END_TEST

START_TEST(an_unreadable_file_is_refused)
{
    make_file(512);
    ck_assert_int_eq(chmod(path, 0), 0);
    if (geteuid() == 0 && seteuid(65534) < 0) {
        printf("skipped: root may read everything, and seteuid: %s\n", strerror(errno));
        return;
    }
    assert_refused(path, -EACCES, "no permission");
    seteuid(0);
}
END_TEST

START_TEST(a_file_that_may_only_be_read_suggests_readonly)
{
    struct image_config config = {.path = path};
    struct error err = {""};
    struct image img;

    make_file(512);
    ck_assert_int_eq(chmod(path, 0444), 0);
    if (geteuid() == 0 && seteuid(65534) < 0) {
        printf("skipped: root may write everything, and seteuid: %s\n", strerror(errno));
        return;
    }
    ck_assert_int_eq(image_open(&img, &config, &err), -EACCES);
    ck_assert_msg(strstr(err.msg, "readonly=on"), "%s", err.msg);
    config.readonly = true;
    ck_assert_int_eq(image_open(&img, &config, &err), 0);
    image_close(&img);
    seteuid(0);
}
END_TEST

/* A file of /proc: regular, readable, and its file system has no O_DIRECT. */
START_TEST(reading_does_not_touch_the_access_time_unless_the_image_is_somebody_elses)
{
    struct image_config config = {.path = path, .readonly = true};
    struct error err = {""};
    struct image img;

    make_file(7 * 512);
    ck_assert_msg(image_open(&img, &config, &err) == 0, "%s", err.msg);
    ck_assert_int_ne(fcntl(img.fd, F_GETFL) & O_NOATIME, 0);
    image_close(&img);
    if (geteuid() != 0 || seteuid(65534) < 0) {
        printf("skipped in part: only root can be somebody else\n");
        return;
    }
    ck_assert_msg(image_open(&img, &config, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(fcntl(img.fd, F_GETFL) & O_NOATIME, 0);
    image_close(&img);
    ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(a_file_system_without_direct_io_is_named_as_the_reason)
{
    struct image_config config = {.path = "/proc/self/stat", .readonly = true, .direct = true};
    struct error err = {""};
    struct image img;

    ck_assert_int_eq(image_open(&img, &config, &err), -EINVAL);
    ck_assert_msg(strstr(err.msg, "does not support O_DIRECT"), "%s", err.msg);
    ck_assert_ptr_ne(strstr(err.msg, config.path), NULL);
}
END_TEST

/* --- locks --- */

static int open_as(struct image *img, bool readonly, bool share_rw, struct error *err)
{
    struct image_config config = {.path = path, .readonly = readonly, .share_rw = share_rw};

    err->msg[0] = '\0';
    return image_open(img, &config, err);
}

static const struct {
    bool first_reads, first_shares, second_reads, second_shares, together;
} users[] = {
    {.together = false},
    {.first_reads = true, .together = false},
    {.second_reads = true, .together = false},
    {.first_reads = true, .second_reads = true, .together = true},
    {.first_shares = true, .together = false},
    {.second_shares = true, .together = false},
    {.first_shares = true, .second_shares = true, .together = true},
    {.first_reads = true, .second_shares = true, .together = false},
    {.first_shares = true, .second_reads = true, .together = false},
    {.first_reads = true, .first_shares = true, .second_shares = true, .together = true},
    {.first_reads = true, .first_shares = true, .second_reads = true, .together = true},
    {.first_reads = true, .first_shares = true, .together = true},
};
#define NR_USERS (sizeof(users) / sizeof(users[0]))

START_TEST(an_image_has_one_writer_or_many_readers_or_all_share_it)
{
    struct image first, second;
    struct error err;
    int r;

    make_file(512);
    ck_assert_int_eq(open_as(&first, users[_i].first_reads, users[_i].first_shares, &err), 0);
    r = open_as(&second, users[_i].second_reads, users[_i].second_shares, &err);
    if (users[_i].together) {
        ck_assert_msg(r == 0, "%s", err.msg);
        image_close(&second);
    } else {
        ck_assert_int_eq(r, -EBUSY);
        ck_assert_int_eq(second.fd, -1);
        ck_assert_msg(strstr(err.msg, path) && strstr(err.msg, "another disk of this process") &&
                          strstr(err.msg, users[_i].first_reads ? "reads it" : "writes it") &&
                          strstr(err.msg, "share-rw=on"),
                      "%s", err.msg);
    }
    image_close(&first);
    ck_assert_msg(open_as(&second, false, false, &err) == 0, "%s", err.msg);
    image_close(&second);
}
END_TEST

START_TEST(the_process_that_has_the_image_is_named_and_kill_leaves_no_lock)
{
    struct image img;
    struct error err;
    char who[64];
    int ready[2];
    pid_t pid;
    char c;

    make_file(512);
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_NAME, "holder");
        struct io_uring ring; /* lets go of its files some time after the process */

        if (open_as(&img, false, false, &err) < 0) {
            _exit(1);
        }
        if (io_uring_queue_init(1, &ring, 0) == 0) {
            io_uring_register_files(&ring, &img.fd, 1);
        }
        if (write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(open_as(&img, true, false, &err), -EBUSY);
    snprintf(who, sizeof(who), "holder (pid %d), which writes it", (int)pid);
    ck_assert_msg(strstr(err.msg, who), "%s", err.msg);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready[0]);
    ck_assert_msg(open_as(&img, false, false, &err) == 0, "%s", err.msg);
    image_close(&img);
}
END_TEST

/* As io_uring does for a while. */
START_TEST(a_closed_image_is_free_even_if_something_still_has_the_file)
{
    struct image img;
    struct error err;
    int other;

    make_file(512);
    ck_assert_int_eq(open_as(&img, false, false, &err), 0);
    other = dup(img.fd);
    image_close(&img);
    ck_assert_msg(open_as(&img, false, false, &err) == 0, "%s", err.msg);
    image_close(&img);
    close(other);
}
END_TEST

/* By the bytes that QEMU locks: 101 while it writes, 201 when it bears no other writer. */
START_TEST(a_machine_of_qemu_is_respected)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1};
    struct image img;
    struct error err;
    int fd;

    make_file(512);
    fd = open(path, O_RDWR);
    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    ck_assert_int_eq(open_as(&img, true, false, &err), -EBUSY);
    ck_assert_int_eq(open_as(&img, false, false, &err), -EBUSY);
    ck_assert_int_eq(open_as(&img, true, true, &err), 0);
    image_close(&img);
    lock.l_start = 201;
    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    ck_assert_int_eq(open_as(&img, false, true, &err), -EBUSY);
    close(fd);

    ck_assert_int_eq(open_as(&img, false, false, &err), 0);
    fd = open(path, O_RDWR);
    for (off_t byte = 101; byte <= 201; byte += 100) {
        /* what QEMU asks to see whether somebody has it */
        lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        ck_assert_int_eq(fcntl(fd, F_OFD_GETLK, &lock), 0);
        ck_assert_int_eq(lock.l_type, F_RDLCK);
    }
    close(fd);
    image_close(&img);
}
END_TEST

START_TEST(the_blocks_of_the_medium_are_told_of)
{
    struct image img;
    struct error err;
    struct stat st;

    make_file(512);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(open_as(&img, false, false, &err), 0);
    ck_assert_uint_eq(img.physical_block, st.st_blksize < 4096 ? st.st_blksize : 4096);
    ck_assert(!img.block_device);
    image_close(&img);
}
END_TEST

static unsigned syncs;
static int sync_error;

int fdatasync(int fd)
{
    syncs++;
    errno = sync_error;
    return sync_error ? -1 : fsync(fd);
}

/* The last process may have been killed; only a guest with a write cache flushes by itself. */
START_TEST(what_a_writethrough_image_holds_is_made_durable_as_it_is_opened)
{
    static const struct {
        bool readonly, writethrough;
        unsigned syncs;
    } modes[] = {{false, true, 1}, {false, false, 0}, {true, true, 0}, {true, false, 0}};
    struct image_config config = {.path = path, .writethrough = true};
    struct error err = {""};
    struct image img;

    make_file(4096);
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        config.readonly = modes[i].readonly;
        config.writethrough = modes[i].writethrough;
        syncs = 0;
        ck_assert_int_eq(image_open(&img, &config, &err), 0);
        ck_assert_uint_eq(syncs, modes[i].syncs);
        image_close(&img);
    }
    config = (struct image_config){.path = path, .writethrough = true};
    sync_error = EIO;
    ck_assert_int_eq(image_open(&img, &config, &err), -EIO);
    ck_assert_msg(strstr(err.msg, "cannot flush") && strstr(err.msg, path), "%s", err.msg);
    ck_assert_int_eq(img.fd, -1);
}
END_TEST

START_TEST(a_size_that_cannot_be_found_out_changes_nothing)
{
    struct image img = {.fd = 1000, .size = 4096, .align = 1}; /* which is not open */
    struct error err = {""};

    ck_assert_int_eq(image_update_size(&img, "image", &err), -EBADF);
    ck_assert_str_ne(err.msg, "");
    ck_assert_uint_eq(img.size, 4096);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("image");
    TCase *t = tcase_create("image");

    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_add_test(t, a_good_image_opens);
    tcase_add_test(t, the_alignment_of_a_direct_image_is_what_the_file_system_wants);
    tcase_add_test(t, a_direct_image_that_cannot_be_read_is_refused);
    tcase_add_loop_test(t, a_closed_image_leaves_no_descriptor, 0, 2);
    tcase_add_test(t, an_image_may_be_descriptor_0_whatever_errno_was);
    tcase_add_test(t, a_hole_does_not_hide_the_alignment);
    tcase_add_test(t, without_an_answer_the_block_of_the_device_is_the_alignment);
    tcase_add_test(t, blocks_that_are_too_large_are_refused_with_what_to_do);
    tcase_add_test(t, direct_io_that_is_none_is_the_page_cache);
    tcase_add_loop_test(t, on_a_real_file_system_direct_io_is_what_it_is_taken_for, 0,
                        sizeof(hosts) / sizeof(hosts[0]));
    tcase_add_test(t, what_is_behind_the_last_block_is_left_out_at_open_and_at_a_resize);
    tcase_add_test(t, a_size_that_cannot_be_found_out_changes_nothing);
    tcase_add_test(t, without_a_file_the_size_counts);
    tcase_add_test(t, a_missing_file_is_refused);
    tcase_add_test(t, a_directory_is_refused);
    tcase_add_test(t, an_empty_file_is_refused);
    tcase_add_test(t, a_block_device_without_a_medium_is_refused);
    tcase_add_test(t, a_size_that_is_not_whole_sectors_is_refused);
    tcase_add_loop_test(t, another_format_than_raw_is_refused_before_anything_else, 0,
                        sizeof(others) / sizeof(others[0]));
    tcase_add_test(t, a_format_is_no_matter_if_raw_is_what_was_asked_for);
    tcase_add_test(t, what_a_raw_image_begins_with_is_no_format);
    tcase_add_test(t, a_fifo_is_refused_and_does_not_hang);
    tcase_add_test(t, a_character_device_is_refused);
    tcase_add_test(t, an_unreadable_file_is_refused);
    tcase_add_test(t, a_file_that_may_only_be_read_suggests_readonly);
    tcase_add_test(t, reading_does_not_touch_the_access_time_unless_the_image_is_somebody_elses);
    tcase_add_test(t, a_file_system_without_direct_io_is_named_as_the_reason);
    tcase_add_loop_test(t, an_image_has_one_writer_or_many_readers_or_all_share_it, 0, NR_USERS);
    tcase_add_test(t, the_process_that_has_the_image_is_named_and_kill_leaves_no_lock);
    tcase_add_test(t, a_closed_image_is_free_even_if_something_still_has_the_file);
    tcase_add_test(t, a_machine_of_qemu_is_respected);
    tcase_add_test(t, the_blocks_of_the_medium_are_told_of);
    tcase_add_test(t, what_a_writethrough_image_holds_is_made_durable_as_it_is_opened);
    suite_add_tcase(s, t);

    return suite_run(s);
}
