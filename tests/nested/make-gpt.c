// SPDX-License-Identifier: MIT
/*
 * Writes a GUID partition table for sectors of 512 bytes around a file system (UEFI 2.10, 5): of its
 * one partition, which begins at no multiple of 4096 bytes, FIRST_LBA is the first sector.
 *
 *   make-gpt IMAGE FILE-SYSTEM
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR    512
#define FIRST_LBA 2049
#define ENTRIES   128
#define TABLE     32 /* sectors of ENTRIES */

struct header {
    char signature[8];
    uint32_t revision, size, crc, reserved;
    uint64_t my_lba, other_lba, first_usable, last_usable;
    uint8_t disk[16];
    uint64_t table_lba;
    uint32_t entries, entry_size, table_crc;
} __attribute__((packed));

struct entry {
    uint8_t type[16], id[16];
    uint64_t first, last, attributes;
    uint16_t name[36];
};

static struct entry table[ENTRIES];

/* "Linux filesystem data" */
static const uint8_t linux_data[16] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
                                       0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};

static uint32_t crc32(const void *data, size_t len)
{
    const uint8_t *at = data;
    uint32_t crc = UINT32_MAX;

    while (len--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    return ~crc;
}

static void put(FILE *f, uint64_t lba, const void *data, size_t len)
{
    if (fseek(f, (long)(lba * SECTOR), SEEK_SET) < 0 || fwrite(data, len, 1, f) != 1) {
        perror("make-gpt");
        exit(1);
    }
}

static void put_header(FILE *f, uint64_t lba, uint64_t other, uint64_t table_lba, uint64_t last)
{
    struct header h = {
        .signature = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'},
        .revision = 0x10000,
        .size = sizeof(h),
        .my_lba = lba,
        .other_lba = other,
        .first_usable = 2 + TABLE,
        .last_usable = last,
        .disk = {1},
        .table_lba = table_lba,
        .entries = ENTRIES,
        .entry_size = sizeof(table[0]),
        .table_crc = crc32(table, sizeof(table)),
    };
    uint8_t sector[SECTOR] = {0};

    h.crc = crc32(&h, sizeof(h));
    memcpy(sector, &h, sizeof(h));
    put(f, table_lba, table, sizeof(table));
    put(f, lba, sector, sizeof(sector));
}

static void put_protective_mbr(FILE *f, uint64_t sectors)
{
    uint8_t mbr[SECTOR] = {[446 + 4] = 0xee, [446 + 8] = 1, [510] = 0x55, [511] = 0xaa};
    uint32_t len = (uint32_t)(sectors - 1);

    memcpy(mbr + 446 + 12, &len, sizeof(len));
    put(f, 0, mbr, sizeof(mbr));
}

static uint64_t copy(FILE *to, FILE *from)
{
    uint8_t sector[SECTOR];
    uint64_t n = 0;

    while (fread(sector, sizeof(sector), 1, from) == 1) {
        put(to, FIRST_LBA + n++, sector, sizeof(sector));
    }
    return n;
}

int main(int argc, char **argv)
{
    FILE *image = argc == 3 ? fopen(argv[1], "w") : NULL;
    FILE *fs = image ? fopen(argv[2], "r") : NULL;
    uint64_t sectors, last;

    if (!fs) {
        fprintf(stderr, "usage: make-gpt IMAGE FILE-SYSTEM\n");
        return 1;
    }
    last = FIRST_LBA + copy(image, fs) - 1;
    sectors = (last + 1 + TABLE + 1 + 7) / 8 * 8; /* whole blocks of 4096 bytes */
    memcpy(table[0].type, linux_data, sizeof(linux_data));
    table[0].id[0] = 2;
    table[0].first = FIRST_LBA;
    table[0].last = last;
    put_protective_mbr(image, sectors);
    put_header(image, 1, sectors - 1, 2, sectors - 2 - TABLE);
    put_header(image, sectors - 1, 1, sectors - 1 - TABLE, sectors - 2 - TABLE);
    return fclose(image) == 0 ? 0 : 1;
}
