// SPDX-License-Identifier: MIT
/* The ways in which a guest ends its machine. */
#include "kvm/layout.h"
#include "tests/vm/guest.h"

/* Each guest spins after the access that must have ended it. */
GUEST_CODE(sleep_s5, "movw $0x600, %dx; movb $0x34, %al; outb %al, %dx; 1: jmp 1b");
GUEST_CODE(acpi_reset, "movw $0x602, %dx; movb $0x01, %al; outb %al, %dx; 1: jmp 1b");
GUEST_CODE(keyboard_reset, "movb $0xfe, %al; outb %al, $0x64; 1: jmp 1b");
GUEST_CODE(chipset_reset, "movw $0xcf9, %dx; movb $0x02, %al; outb %al, %dx;"
                          "movb $0x06, %al; outb %al, %dx; 1: jmp 1b");

START_TEST(sleep_register_powers_off)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, sleep_s5);
    ck_assert_int_eq(run.end, MACHINE_POWEROFF);
    ck_assert_str_eq(run.message, "");
}
END_TEST

START_TEST(acpi_reset_register_resets)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, acpi_reset);
    ck_assert_int_eq(run.end, MACHINE_RESET);
}
END_TEST

START_TEST(keyboard_controller_resets)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, keyboard_reset);
    ck_assert_int_eq(run.end, MACHINE_RESET);
}
END_TEST

START_TEST(chipset_register_resets)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, chipset_reset);
    ck_assert_int_eq(run.end, MACHINE_RESET);
}
END_TEST

/* In protected mode, for here only the code counts and not how one comes to it. */
GUEST_CODE(bios_entry, "movl $0xffff0, %eax; jmp *%eax");

START_TEST(jump_to_the_bios_resets)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, bios_entry);
    ck_assert_int_eq(run.end, MACHINE_RESET);
}
END_TEST

/* Harmless values, and a 32-bit PCI address whose second byte lands on 0xcf9, end nothing: the
 * guest lives to report and to power off. */
GUEST_CODE(near_misses,
           "movw $0x600, %dx; movb $0x14, %al; outb %al, %dx;"
           "movb $0x20, %al; outb %al, %dx;"
           "movb $0xaa, %al; outb %al, $0x64;"
           "movw $0x602, %dx; movb $0x02, %al; outb %al, %dx;"
           "movw $0xcf9, %dx; movb $0x02, %al; outb %al, %dx;"
           "movw $0xcf8, %dx; movl $0x80000404, %eax; outl %eax, %dx;"
           "movw $0x500, %dx; movl $0x600d, %eax; outl %eax, %dx;" GUEST_POWEROFF "1: jmp 1b");

START_TEST(other_values_end_nothing)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, near_misses);
    ck_assert_int_eq(run.end, MACHINE_POWEROFF);
    ck_assert_uint_eq(run.nr_values, 1);
    ck_assert_uint_eq(run.values[0], 0x600d);
}
END_TEST

/* Nothing is at port 0x510 nor at the end of the device hole. */
GUEST_CODE(nothing_there, "movw $0x510, %dx; xorl %eax, %eax; inl %dx, %eax;"
                          "movw $0x500, %dx; outl %eax, %dx;"
                          "movl %eax, 0xdffff000; movl 0xdffff000, %eax; outl %eax, %dx;"
                          "xorl %eax, %eax; movw $0x510, %dx; inb %dx, %al;"
                          "movw $0x500, %dx; outl %eax, %dx;" GUEST_POWEROFF "1: jmp 1b");

START_TEST(what_is_not_there_reads_as_ones)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, nothing_there);
    ck_assert_int_eq(run.end, MACHINE_POWEROFF);
    ck_assert_uint_eq(run.nr_values, 3);
    ck_assert_uint_eq(run.values[0], 0xffffffff);
    ck_assert_uint_eq(run.values[1], 0xffffffff);
    ck_assert_uint_eq(run.values[2], 0xff);
}
END_TEST

GUEST_CODE(spin, "1: jmp 1b");
GUEST_CODE(halt, "cli; 1: hlt; jmp 1b");

static void stopped_from_outside(const uint8_t *code, size_t len, unsigned cpus)
{
    static uint8_t elf[GUEST_ELF_MAX];
    struct machine_config config = {.cpus = cpus, .memory = MACHINE_MEMORY_MIN};
    char message[64] = "x";
    struct machine *m;
    struct error err = {""};

    config.kernel_data = elf;
    config.kernel_size = guest_elf(elf, code, len);
    ck_assert_msg(machine_new(&config, &m, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(machine_start(m, &err), 0);
    machine_stop(m, MACHINE_STOPPED);
    machine_stop(m, MACHINE_POWEROFF); /* too late */
    ck_assert_int_eq(machine_wait(m, message, sizeof(message)), MACHINE_STOPPED);
    ck_assert_str_eq(message, "");
    machine_free(m);
}

START_TEST(host_stops_a_guest_that_spins)
{
    stopped_from_outside(spin_begin, (size_t)(spin_end - spin_begin), 1);
}
END_TEST

START_TEST(host_stops_a_guest_that_halts_with_all_its_vcpus)
{
    stopped_from_outside(halt_begin, (size_t)(halt_end - halt_begin), 4);
}
END_TEST

START_TEST(machine_that_never_ran_is_freed)
{
    static uint8_t elf[GUEST_ELF_MAX];
    struct machine_config config = {.cpus = 2, .memory = MACHINE_MEMORY_MIN};
    struct machine *m;
    struct error err = {""};

    config.kernel_data = elf;
    config.kernel_size = guest_elf(elf, spin_begin, (size_t)(spin_end - spin_begin));
    ck_assert_msg(machine_new(&config, &m, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(machine_vcpu_exits(m, 1), 0);
    machine_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("power");
    TCase *t = tcase_create("ends");

    tcase_add_test(t, sleep_register_powers_off);
    tcase_add_test(t, acpi_reset_register_resets);
    tcase_add_test(t, keyboard_controller_resets);
    tcase_add_test(t, chipset_register_resets);
    tcase_add_test(t, jump_to_the_bios_resets);
    tcase_add_test(t, other_values_end_nothing);
    tcase_add_test(t, what_is_not_there_reads_as_ones);
    tcase_add_test(t, host_stops_a_guest_that_spins);
    tcase_add_test(t, host_stops_a_guest_that_halts_with_all_its_vcpus);
    tcase_add_test(t, machine_that_never_ran_is_freed);
    suite_add_tcase(s, t);
    return guest_main(s);
}
