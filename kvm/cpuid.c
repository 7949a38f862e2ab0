// SPDX-License-Identifier: MIT
/* Topology: APIC ids and cache sharing are rewritten, all other leaves stay as KVM returns them. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm/cpuid.h"

#define ENTRIES_START      64
#define ENTRIES_MAX        1024
#define TOPOLOGY_SUBLEAVES 3
#define TOPOLOGY_ROOM      (2 * TOPOLOGY_SUBLEAVES) /* entries that cpuid_adapt() may add */

enum {
    LEAF1_ECX_X2APIC = 1u << 21,
    LEAF1_ECX_TSC_DEADLINE = 1u << 24,
    LEAF1_ECX_HYPERVISOR = 1u << 31,
    TOPOLOGY_THREAD = 1,
    TOPOLOGY_CORE = 2,
};

int cpuid_query(int kvm_fd, struct kvm_cpuid2 **out, struct error *err)
{
    for (unsigned n = ENTRIES_START; n <= ENTRIES_MAX; n *= 2) {
        struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + (n + TOPOLOGY_ROOM) * sizeof(c->entries[0]));

        if (!c) {
            return error_set(err, -ENOMEM, "out of memory");
        }
        c->nent = n;
        if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, c) == 0) {
            *out = c;
            return 0;
        }
        free(c);
        if (errno != E2BIG) {
            break;
        }
    }
    return error_set(err, -errno, "/dev/kvm: KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
}

/* Width of an APIC id for @cpus, in bits. */
static unsigned id_bits(unsigned cpus)
{
    unsigned bits = 0;

    while ((1u << bits) < cpus) {
        bits++;
    }
    return bits;
}

static void set_field(uint32_t *reg, unsigned shift, unsigned width, uint32_t value)
{
    uint32_t mask = ((1u << width) - 1) << shift;

    *reg = (*reg & ~mask) | (value << shift & mask);
}

static void features(struct kvm_cpuid_entry2 *e, unsigned index, unsigned cpus, int tsc_deadline)
{
    set_field(&e->ebx, 24, 8, index);
    set_field(&e->ebx, 16, 8, 1u << id_bits(cpus));
    set_field(&e->edx, 28, 1, cpus > 1);
    e->ecx |= LEAF1_ECX_X2APIC | LEAF1_ECX_HYPERVISOR;
    e->ecx &= ~(uint32_t)LEAF1_ECX_TSC_DEADLINE;
    e->ecx |= tsc_deadline ? LEAF1_ECX_TSC_DEADLINE : 0;
}

/* Leaf 4, on AMD 0x8000001d: all vCPUs share the last level, the others are private. */
static void cache(struct kvm_cpuid_entry2 *e, unsigned cpus)
{
    unsigned level = e->eax >> 5 & 7;

    if ((e->eax & 0x1f) == 0) {
        return; /* the end of the list */
    }
    set_field(&e->eax, 14, 12, level >= 3 ? (1u << id_bits(cpus)) - 1 : 0);
    if (e->function == 4) {
        set_field(&e->eax, 26, 6, (1u << id_bits(cpus)) - 1);
    }
}

/* Leaves 0xb and 0x1f. KVM may list one subleaf only, so all are rewritten. */
static struct kvm_cpuid_entry2 topology(uint32_t leaf, uint32_t sub, unsigned index, unsigned cpus)
{
    struct kvm_cpuid_entry2 e = {
        .function = leaf,
        .index = sub,
        .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        .ecx = sub,
        .edx = index,
    };

    if (sub == 0) {
        e.ebx = 1;
        e.ecx |= TOPOLOGY_THREAD << 8;
    } else if (sub == 1) {
        e.eax = id_bits(cpus);
        e.ebx = cpus;
        e.ecx |= TOPOLOGY_CORE << 8;
    }
    return e;
}

static bool is_topology(uint32_t leaf)
{
    return leaf == 0xb || leaf == 0x1f;
}

/* Replaces leaves 0xb and 0x1f; cpuid_query() allocated TOPOLOGY_ROOM spare entries. */
static void rewrite_topology(struct kvm_cpuid2 *c, unsigned index, unsigned cpus)
{
    uint32_t basic_max = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < c->nent; i++) {
        if (c->entries[i].function == 0) {
            basic_max = c->entries[i].eax;
        }
        if (!is_topology(c->entries[i].function)) {
            c->entries[n++] = c->entries[i];
        }
    }
    for (uint32_t sub = 0; sub < TOPOLOGY_SUBLEAVES && basic_max >= 0xb; sub++) {
        c->entries[n++] = topology(0xb, sub, index, cpus);
    }
    for (uint32_t sub = 0; sub < TOPOLOGY_SUBLEAVES && basic_max >= 0x1f; sub++) {
        c->entries[n++] = topology(0x1f, sub, index, cpus);
    }
    c->nent = n;
}

/* AuthenticAMD or HygonGenuine; on other CPUs the leaves below are reserved. */
static bool is_amd(const struct kvm_cpuid2 *c)
{
    for (unsigned i = 0; i < c->nent; i++) {
        if (c->entries[i].function == 0) {
            return c->entries[i].ebx == 0x68747541 || c->entries[i].ebx == 0x6f677948;
        }
    }
    return false;
}

void cpuid_adapt(struct kvm_cpuid2 *c, unsigned index, unsigned cpus, int tsc_deadline)
{
    bool amd = is_amd(c);

    for (unsigned i = 0; i < c->nent; i++) {
        struct kvm_cpuid_entry2 *e = &c->entries[i];

        switch (e->function) {
        case 1:
            features(e, index, cpus, tsc_deadline);
            break;
        case 4:
        case 0x8000001d:
            cache(e, cpus);
            break;
        case 0x80000001:
            if (amd) {
                set_field(&e->ecx, 1, 1, cpus > 1); /* CmpLegacy */
            }
            break;
        case 0x80000008:
            if (!amd) {
                break;
            }
            set_field(&e->ecx, 0, 8, cpus - 1);
            set_field(&e->ecx, 12, 4, id_bits(cpus));
            break;
        case 0x8000001e:
            e->eax = index;
            e->ebx = index; /* one thread per core */
            e->ecx = 0;     /* node 0, one node */
            break;
        default:
            break;
        }
    }
    rewrite_topology(c, index, cpus);
}
