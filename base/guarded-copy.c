// SPDX-License-Identifier: MIT
/*
 * The copy is one instruction, which has the number of remaining bytes in a register. After a fault
 * the handler continues behind this instruction. The linker gathers a table with the addresses of
 * the instruction and of its continuation; as in the kernel's exception tables, an address is
 * relative to its own place.
 */
#include <stdint.h>
#include <ucontext.h>

#include "base/bus-error.h"
#include "base/guarded-copy.h"

struct fixup {
    int32_t at, next;
};

extern const struct fixup __start_guarded_copies[], __stop_guarded_copies[];

size_t guarded_copy(void *to, const void *from, size_t n)
{
    __asm__ volatile("1: rep movsb\n"
                     "2:\n"
                     ".pushsection guarded_copies, \"a\"\n"
                     "3: .long 1b - 3b\n"
                     "4: .long 2b - 4b\n"
                     ".popsection\n"
                     : "+D"(to), "+S"(from), "+c"(n)
                     :
                     : "memory");
    return n;
}

static bool end_copy(const siginfo_t *info, void *context)
{
    greg_t *ip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    for (const struct fixup *f = __start_guarded_copies; f < __stop_guarded_copies; f++) {
        if (*ip == (greg_t)&f->at + f->at) {
            *ip = (greg_t)&f->next + f->next;
            return true;
        }
    }
    return false;
}

int guarded_copy_install(void)
{
    return bus_error_catch(end_copy);
}
