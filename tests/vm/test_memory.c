// SPDX-License-Identifier: MIT
/* RAM beyond the device hole, and the memory map that tells of it. */
#include "kvm/layout.h"
#include "tests/vm/guest.h"

#define MIB (1ull << 20)

/*
 * Report each entry of the start info's memory map (address and size in MiB, type), then map what
 * is above 4 GiB at 1 GiB in long mode and report what comes back from its last bytes, and from the
 * first beyond its end.
 * PML4 at 0x203000, PDPT at 0x200000, page directories at 0x201000 and 0x202000.
 */
GUEST_CODE(survey, "movl 48(%ebx), %ecx; movl 40(%ebx), %esi; movw $0x500, %dx;"
                   "1: movl (%esi), %eax; movl 4(%esi), %edi; shrdl $20, %edi, %eax;"
                   "outl %eax, %dx;"
                   "movl 8(%esi), %eax; movl 12(%esi), %edi; shrdl $20, %edi, %eax;"
                   "outl %eax, %dx; movl 16(%esi), %eax; outl %eax, %dx;"
                   "addl $24, %esi; decl %ecx; jnz 1b;"
                   "movl $0x200003, 0x203000;"
                   "movl $0x201003, 0x200000; movl $0x202003, 0x200008;"
                   "movl $0x83, 0x201000;"
                   "movl $0xe00083, 0x202000; movl $1, 0x202004;"  /* 4 GiB + 14 MiB */
                   "movl $0x1000083, 0x202008; movl $1, 0x20200c;" /* 4 GiB + 16 MiB */
                   "movl %cr4, %eax; orl $0x20, %eax; movl %eax, %cr4;"
                   "movl $0x203000, %eax; movl %eax, %cr3;"
                   "movl $0xc0000080, %ecx; rdmsr; orl $0x100, %eax; wrmsr; movw $0x500, %dx;"
                   "movl %cr0, %eax; orl $0x80000000, %eax; movl %eax, %cr0;"
                   "movl $0x12345678, 0x401ffff0; movl 0x401ffff0, %eax; outl %eax, %dx;"
                   "movl $0x12345678, 0x40200000; movl 0x40200000, %eax; outl %eax, "
                   "%dx;" GUEST_POWEROFF "2: jmp 2b");

static void survey_memory(struct guest_run *run, uint64_t memory, bool shared)
{
    guest_init(run);
    run->config.memory = memory;
    run->config.memory_shared = shared;
    GUEST_CODE_RUN(run, survey);
    ck_assert_msg(run->end == MACHINE_POWEROFF, "%s", run->message);
}

static void check_large(bool shared)
{
    struct guest_run run;

    survey_memory(&run, LAYOUT_HOLE + 16 * MIB, shared);
    ck_assert_uint_eq(run.nr_values, 4 * 3 + 2);
    ck_assert_uint_eq(run.values[6], 1); /* the third entry: from 1 MiB to the hole */
    ck_assert_uint_eq(run.values[7], 3072 - 1);
    ck_assert_uint_eq(run.values[8], 1);
    ck_assert_uint_eq(run.values[9], 4096); /* the fourth: the rest, from 4 GiB on */
    ck_assert_uint_eq(run.values[10], 16);
    ck_assert_uint_eq(run.values[11], 1);
    ck_assert_uint_eq(run.values[12], 0x12345678);
    ck_assert_uint_eq(run.values[13], 0xffffffff); /* nothing is there */
}

START_TEST(memory_goes_on_above_the_hole)
{
    check_large(false);
}
END_TEST

START_TEST(shared_memory_goes_on_above_the_hole)
{
    check_large(true);
}
END_TEST

START_TEST(small_memory_ends_below_the_hole)
{
    struct guest_run run;

    survey_memory(&run, MACHINE_MEMORY_MIN, false);
    ck_assert_uint_eq(run.nr_values, 3 * 3 + 2);
    ck_assert_uint_eq(run.values[7], 16 - 1);
    ck_assert_uint_eq(run.values[9], 0xffffffff);
}
END_TEST

START_TEST(sizes_out_of_range_are_refused)
{
    static const struct {
        unsigned cpus;
        uint64_t memory;
    } rows[] = {
        {0, 64 * MIB},
        {MACHINE_CPUS_MAX + 1, 64 * MIB},
        {1, 0},
        {1, MACHINE_MEMORY_MIN - 4096},
        {1, MACHINE_MEMORY_MIN + 1},
        {1, 1ull << 60},
    };
    static uint8_t elf[GUEST_ELF_MAX];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct machine_config config = {.cpus = rows[i].cpus, .memory = rows[i].memory};
        struct machine *m = NULL;
        struct error err = {""};

        config.kernel_data = elf;
        config.kernel_size = guest_elf(elf, survey_begin, (size_t)(survey_end - survey_begin));
        ck_assert_int_lt(machine_new(&config, &m, &err), 0);
        ck_assert_str_ne(err.msg, "");
        ck_assert_ptr_null(m);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory");
    TCase *t = tcase_create("memory");

    tcase_add_test(t, memory_goes_on_above_the_hole);
    tcase_add_test(t, shared_memory_goes_on_above_the_hole);
    tcase_add_test(t, small_memory_ends_below_the_hole);
    tcase_add_test(t, sizes_out_of_range_are_refused);
    suite_add_tcase(s, t);
    return guest_main(s);
}
