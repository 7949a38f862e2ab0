// SPDX-License-Identifier: MIT
/* What is said when a guest breaks its vCPU. */
#include <linux/kvm.h>
#include <string.h>

#include "kvm/crash.h"
#include "tests/vm/guest.h"

/* An undefined instruction with no interrupt table: #UD, #GP, #DF, triple fault. ud2 is 0f 0b. */
GUEST_CODE(triple_fault,
           "movl $0x200000, %esp; pushl $0; pushl $0; lidt (%esp); movl $0x12345678, %esi;"
           "ud2; nop; nop");

START_TEST(triple_fault_is_reported_with_registers_and_code)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, triple_fault);
    ck_assert_int_eq(run.end, MACHINE_TRIPLE_FAULT);
    ck_assert_ptr_nonnull(strstr(run.message, "vCPU 0: triple fault"));
    ck_assert_ptr_nonnull(strstr(run.message, "rip "));
    ck_assert_ptr_nonnull(strstr(run.message, "cr0 "));
    /* An AMD CPU forgets where it was. */
    if (!strstr(run.message, "resets its registers")) {
        ck_assert_ptr_nonnull(strstr(run.message, "rsi 0000000012345678"));
        ck_assert_ptr_nonnull(strstr(run.message, "code at rip: 0f 0b 90 90"));
    }
}
END_TEST

/* Running where no memory is: KVM would have to emulate what it can't fetch. */
GUEST_CODE(into_the_hole, "movl $0xd8000000, %eax; jmp *%eax");

START_TEST(internal_error_is_reported_with_its_suberror)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, into_the_hole);
    ck_assert_int_eq(run.end, MACHINE_INTERNAL_ERROR);
    ck_assert_ptr_nonnull(strstr(run.message, "KVM internal error, suberror"));
    ck_assert_ptr_nonnull(strstr(run.message, "rip 00000000d8000000"));
    ck_assert_ptr_nonnull(strstr(run.message, "code at rip: not in guest memory"));
}
END_TEST

START_TEST(internal_error_names_suberror_and_data)
{
    struct kvm_run run = {.exit_reason = KVM_EXIT_INTERNAL_ERROR};
    char cause[CRASH_CAUSE_MAX];

    run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
    run.internal.ndata = 2;
    run.internal.data[0] = 0x80000b0e;
    run.internal.data[1] = 0x31;
    crash_internal_error(cause, sizeof(cause), &run);
    ck_assert_str_eq(cause, "KVM internal error, suberror 3 (an exit while an event was being "
                            "delivered), data 0x80000b0e 0x31");
}
END_TEST

START_TEST(internal_error_shows_the_instruction_that_kvm_names)
{
    struct kvm_run run = {.exit_reason = KVM_EXIT_INTERNAL_ERROR};
    char cause[CRASH_CAUSE_MAX];

    run.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
    run.emulation_failure.ndata = 3;
    run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    run.emulation_failure.insn_size = 2;
    run.emulation_failure.insn_bytes[0] = 0x0f;
    run.emulation_failure.insn_bytes[1] = 0xc7;
    crash_internal_error(cause, sizeof(cause), &run);
    ck_assert_str_eq(cause, "KVM internal error, suberror 1 (an instruction that KVM cannot "
                            "emulate), instruction 0f c7");
}
END_TEST

/* What the host reports is bounded, too, whatever it says of its own length. */
START_TEST(lengths_beyond_the_record_are_cut)
{
    struct kvm_run run = {.exit_reason = KVM_EXIT_INTERNAL_ERROR};
    char cause[CRASH_CAUSE_MAX];

    run.internal.suberror = 99;
    run.internal.ndata = 0xffffffff;
    crash_internal_error(cause, sizeof(cause), &run);
    ck_assert_ptr_nonnull(strstr(cause, "suberror 99 (unknown)"));
    ck_assert_uint_lt(strlen(cause), sizeof(cause));
}
END_TEST

START_TEST(entry_failure_gives_the_hardware_reason)
{
    struct kvm_run run = {.exit_reason = KVM_EXIT_FAIL_ENTRY};
    char cause[CRASH_CAUSE_MAX];

    run.fail_entry.hardware_entry_failure_reason = 0x80000021;
    crash_entry_failure(cause, sizeof(cause), &run);
    ck_assert_str_eq(cause, "KVM could not enter the guest, hardware reason 0x80000021");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crash");
    TCase *t = tcase_create("reports");

    tcase_add_test(t, triple_fault_is_reported_with_registers_and_code);
    tcase_add_test(t, internal_error_is_reported_with_its_suberror);
    tcase_add_test(t, internal_error_names_suberror_and_data);
    tcase_add_test(t, internal_error_shows_the_instruction_that_kvm_names);
    tcase_add_test(t, lengths_beyond_the_record_are_cut);
    tcase_add_test(t, entry_failure_gives_the_hardware_reason);
    suite_add_tcase(s, t);
    return guest_main(s);
}
