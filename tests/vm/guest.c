// SPDX-License-Identifier: MIT
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm/pvh.h"
#include "kvm/vm.h"
#include "tests/vm/guest.h"

struct elf_head {
    Elf64_Ehdr eh;
    Elf64_Phdr load, note;
    struct {
        Elf64_Nhdr head;
        char name[4];
        uint32_t entry;
    } pvh;
};

size_t guest_elf(uint8_t elf[GUEST_ELF_MAX], const uint8_t *code, size_t len)
{
    struct elf_head h = {
        .eh = {.e_ident = ELFMAG,
               .e_type = ET_EXEC,
               .e_machine = EM_X86_64,
               .e_version = EV_CURRENT,
               .e_phoff = offsetof(struct elf_head, load),
               .e_ehsize = sizeof(Elf64_Ehdr),
               .e_phentsize = sizeof(Elf64_Phdr),
               .e_phnum = 2},
        .load = {.p_type = PT_LOAD,
                 .p_offset = sizeof(h),
                 .p_paddr = GUEST_BASE,
                 .p_filesz = len,
                 .p_memsz = len},
        .note = {.p_type = PT_NOTE,
                 .p_offset = offsetof(struct elf_head, pvh),
                 .p_filesz = sizeof(h.pvh)},
        .pvh = {.head = {sizeof(PVH_NOTE_NAME), 4, PVH_NOTE_ENTRY},
                .name = PVH_NOTE_NAME,
                .entry = GUEST_BASE},
    };

    h.eh.e_ident[EI_CLASS] = ELFCLASS64;
    h.eh.e_ident[EI_DATA] = ELFDATA2LSB;
    h.eh.e_ident[EI_VERSION] = EV_CURRENT;
    ck_assert_uint_le(sizeof(h) + len, GUEST_ELF_MAX);
    memcpy(elf, &h, sizeof(h));
    memcpy(elf + sizeof(h), code, len);
    return sizeof(h) + len;
}

static void console_out(void *opaque, const void *data, size_t len)
{
    struct guest_run *run = opaque;

    if (len > sizeof(run->console) - 1 - run->console_len) {
        len = sizeof(run->console) - 1 - run->console_len;
    }
    memcpy(run->console + run->console_len, data, len);
    run->console_len += len;
}

static void port_out(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
    struct guest_run *run = opaque;

    if (run->nr_values < GUEST_VALUES) {
        run->values[run->nr_values++] = value;
    }
}

void guest_init(struct guest_run *run)
{
    memset(run, 0, sizeof(*run));
    run->config.cpus = 1;
    run->config.memory = MACHINE_MEMORY_MIN;
    run->config.console_out = console_out;
    run->config.opaque = run;
    run->ports =
        (struct machine_ports){.first = GUEST_PORT, .count = 1, .out = port_out, .opaque = run};
}

void guest_run(struct guest_run *run, const uint8_t *code, size_t len)
{
    uint8_t *elf = malloc(GUEST_ELF_MAX);
    struct machine *m;
    struct error err = {""};
    int ret;

    run->config.kernel_data = elf;
    run->config.kernel_size = guest_elf(elf, code, len);
    run->config.ports = &run->ports;
    ret = machine_new(&run->config, &m, &err);
    ck_assert_msg(ret == 0, "%s", err.msg);
    if (run->input) {
        ck_assert_uint_eq(machine_console_in(m, run->input, strlen(run->input)),
                          strlen(run->input));
    }
    ck_assert_int_eq(machine_start(m, &err), 0);
    run->end = machine_wait(m, run->message, sizeof(run->message));
    run->exits = machine_vcpu_exits(m, 0);
    machine_free(m);
    free(elf);
}

int guest_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    struct error err = {""};
    int fd = vm_open_kvm(&err);
    int failed;

    if (fd < 0) {
        printf("skip: %s\n", err.msg);
        srunner_free(runner);
        return 77;
    }
    close(fd);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
