// SPDX-License-Identifier: MIT
/* Entry states: long mode for the 64-bit boot protocol, protected mode without paging for PVH. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm/cpu-state.h"
#include "kvm/layout.h"

enum {
    CR0_PE = 1u << 0,
    CR0_ET = 1u << 4,
    CR0_PG = 1u << 31,
    CR4_PAE = 1u << 5,
    EFER_LME = 1u << 8,
    EFER_LMA = 1u << 10,
    RFLAGS_FIXED = 1u << 1,
    SEGMENT_CODE = 0xb, /* execute, read, accessed */
    SEGMENT_DATA = 0x3, /* read, write, accessed */
    SEGMENT_TSS = 0xb,  /* 32- or 64-bit TSS, busy */

    MSR_MISC_ENABLE = 0x1a0,
    MISC_ENABLE_FAST_STRING = 1u << 0,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MTRR_ENABLED_WRITE_BACK = 0x806,
};

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
    return (struct kvm_segment){
        .limit = 0xffffffff,
        .selector = selector,
        .type = type,
        .present = 1,
        .s = 1,
        .g = 1,
        .db = 1,
    };
}

static void segments(struct kvm_sregs *sregs, uint16_t code, uint16_t data)
{
    sregs->cs = flat(code, SEGMENT_CODE);
    sregs->ds = flat(data, SEGMENT_DATA);
    sregs->es = sregs->fs = sregs->gs = sregs->ss = sregs->ds;
    sregs->tr = (struct kvm_segment){.limit = 0x67, .type = SEGMENT_TSS, .present = 1};
}

static void long_mode(struct kvm_sregs *sregs)
{
    segments(sregs, 0x10, 0x18);
    sregs->cs.l = 1;
    sregs->cs.db = 0;
    sregs->gdt.base = LAYOUT_GDT;
    sregs->gdt.limit = 4 * 8 - 1;
    sregs->cr0 = CR0_PE | CR0_ET | CR0_PG;
    sregs->cr3 = LAYOUT_PAGE_TABLE;
    sregs->cr4 = CR4_PAE;
    sregs->efer = EFER_LME | EFER_LMA;
}

/* Without a GDT any selector will do; nonzero ones stand out in a crash report. */
static void protected_mode(struct kvm_sregs *sregs)
{
    segments(sregs, 0x08, 0x10);
    sregs->cr0 = CR0_PE | CR0_ET;
    sregs->cr4 = 0;
    sregs->efer = 0;
}

int cpu_state_boot(int vcpu_fd, const struct boot_entry *entry)
{
    struct kvm_regs regs = {.rip = entry->rip, .rflags = RFLAGS_FIXED};
    struct kvm_sregs sregs;

    if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0) {
        return -errno;
    }
    if (entry->protocol == BOOT_LINUX64) {
        long_mode(&sregs);
        regs.rsi = entry->info;
    } else {
        protected_mode(&sregs);
        regs.rbx = entry->info;
    }
    if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0) {
        return -errno;
    }
    return 0;
}

int cpu_state_msrs(int vcpu_fd)
{
    static const struct kvm_msr_entry entries[] = {
        {.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WRITE_BACK},
        {.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
    };
    struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(entries));
    int ret = 0;

    if (!msrs) {
        return -ENOMEM;
    }
    msrs->nmsrs = sizeof(entries) / sizeof(entries[0]);
    memcpy(msrs->entries, entries, sizeof(entries));
    /* KVM stops at an MSR that it does not know and returns the number set. Guests run without. */
    if (ioctl(vcpu_fd, KVM_SET_MSRS, msrs) < 0) {
        ret = -errno;
    }
    free(msrs);
    return ret;
}
