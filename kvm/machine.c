// SPDX-License-Identifier: MIT
/*
 * Composition and lifetime of a machine. The parts are created in the order of struct machine and
 * released in the opposite order; a part that was never created can be released. The first reason
 * to end the machine, from a vCPU or another thread, is recorded under @lock with its message. Then
 * all vCPU threads are stopped.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "kvm/acpi.h"
#include "kvm/boot.h"
#include "kvm/cmdline.h"
#include "kvm/crash.h"
#include "kvm/layout.h"
#include "kvm/machine.h"
#include "kvm/console-queue.h"
#include "kvm/power-ports.h"
#include "kvm/ram.h"
#include "kvm/serial.h"
#include "kvm/storage.h"
#include "kvm/vcpu.h"
#include "kvm/vm.h"

#define PARAMETERS_MAX 1024 /* MACHINE_MMIO_MAX times "virtio_mmio.device=4K@0xd0000000:16 " */

struct machine {
    struct ram ram;
    struct vm vm;
    struct storage storage;
    struct serial serial;
    struct console_queue console;
    bool console_running;
    struct machine_ports ports;                      /* count 0: none */
    void (*on_pause)(void *opaque, const char *why); /* NULL: not reported */
    void *on_pause_opaque;
    unsigned nr_vcpus;
    struct vcpu vcpus[MACHINE_CPUS_MAX];
    int end_fd;

    pthread_mutex_t
        lock; /* protects the fields below, and serialises vcpu_start() and vcpu_stop() */
    bool started;
    bool paused;
    enum machine_end end;
    char message[CRASH_MESSAGE_MAX];
};

static void end_machine(struct machine *m, enum machine_end why, const char *message)
{
    pthread_mutex_lock(&m->lock);
    if (m->end == MACHINE_RUNNING) {
        m->end = why;
        snprintf(m->message, sizeof(m->message), "%s", message);
        for (unsigned i = 0; i < m->nr_vcpus; i++) {
            vcpu_stop(&m->vcpus[i]);
        }
        if (m->console_running) {
            console_queue_cancel(&m->console);
        }
        eventfd_write(m->end_fd, 1);
    }
    pthread_mutex_unlock(&m->lock);
}

/* --- ports and MMIO --- */

static void serial_transmit(void *opaque, uint8_t byte)
{
    struct machine *m = opaque;

    if (m->console_running) {
        console_queue_put(&m->console, byte);
    }
}

static void serial_interrupt(void *opaque, bool level)
{
    struct machine *m = opaque;

    vm_irq_line(&m->vm, LAYOUT_COM1_IRQ, level);
}

static const struct serial_ops serial_ops = {
    .transmit = serial_transmit,
    .interrupt = serial_interrupt,
};

static void access_byte_port(struct machine *m, uint16_t port, uint8_t *value, bool write)
{
    enum machine_end end = MACHINE_RUNNING;
    unsigned reg = (unsigned)port - LAYOUT_COM1;

    if (reg < 8) {
        if (write) {
            serial_write(&m->serial, reg, *value);
        } else {
            *value = serial_read(&m->serial, reg);
        }
    } else if (power_port_access(port, value, write, &end)) {
        if (end != MACHINE_RUNNING) {
            end_machine(m, end, "");
        }
    } else if (!write) {
        *value = 0xff;
    }
}

static void on_port(void *opaque, uint16_t port, void *data, unsigned size, bool write)
{
    struct machine *m = opaque;

    if (write && port >= m->ports.first && port - m->ports.first < m->ports.count) {
        uint32_t value = 0;

        memcpy(&value, data, size);
        m->ports.out(m->ports.opaque, port, value, size);
    } else if (storage_port(&m->storage, port, data, size, write)) {
        return;
    } else if (size == 1) {
        access_byte_port(m, port, data, write);
    } else if (!write) {
        memset(data, 0xff, size);
    }
}

static void on_mmio(void *opaque, uint64_t gpa, void *data, unsigned size, bool write)
{
    struct machine *m = opaque;

    if (!storage_access(&m->storage, gpa, data, size, write) && !write) {
        memset(data, 0xff, size);
    }
}

static void on_ended(void *opaque, enum machine_end why, const char *message)
{
    end_machine(opaque, why, message);
}

static const struct vcpu_ops vcpu_ops = {.port = on_port, .mmio = on_mmio, .ended = on_ended};

static void disk_stopped(void *opaque, const char *why)
{
    struct machine *m = opaque;

    machine_pause(m);
    if (m->on_pause) {
        m->on_pause(m->on_pause_opaque, why);
    }
}

/* --- creation --- */

static int check_config(const struct machine_config *config, struct error *err)
{
    if (config->cpus < 1 || config->cpus > MACHINE_CPUS_MAX) {
        return error_set(err, -EINVAL, "%u vCPUs: 1 to %d are possible (--cpus)", config->cpus,
                         MACHINE_CPUS_MAX);
    }
    if (config->memory < MACHINE_MEMORY_MIN || config->memory % 4096) {
        return error_set(err, -EINVAL,
                         "guest memory of %llu bytes: the minimum is %llu MiB, in multiples of "
                         "4 KiB (--memory)",
                         (unsigned long long)config->memory, MACHINE_MEMORY_MIN >> 20);
    }
    return 0;
}

static int load_guest(struct machine *m, const struct machine_config *config,
                      struct boot_entry *entry, struct error *err)
{
    const char *warning = cmdline_warning(config->append);
    char parameters[PARAMETERS_MAX];
    struct boot_config boot = {
        .kernel = config->kernel,
        .kernel_data = config->kernel_data,
        .kernel_size = config->kernel_size,
        .initrd = config->initrd,
        .append = config->append,
        .devices = parameters,
        .rsdp = LAYOUT_ACPI,
    };
    int ret;

    ret = acpi_build(guest_memory_at(&m->ram.mem, LAYOUT_ACPI, LAYOUT_ACPI_SIZE), LAYOUT_ACPI,
                     LAYOUT_ACPI_SIZE, config->cpus, m->storage.has_pci, m->storage.resources,
                     m->storage.nr_mmio);
    if (ret < 0) {
        return error_set(err, ret, "ACPI tables: no room");
    }
    if (warning && config->log) {
        config->log(config->opaque, warning);
    }
    power_write_reset_vector(&m->ram.mem);
    storage_parameters(&m->storage, parameters, sizeof(parameters));
    return boot_load(&m->ram, &boot, entry, err);
}

static void add_track(struct vcpu *v, struct trace *trace)
{
    char name[16];

    snprintf(name, sizeof(name), "vcpu%u", v->index);
    v->trace = trace_track_new(trace, name, false);
}

static int build(struct machine *m, const struct machine_config *config, struct error *err)
{
    struct boot_entry entry;
    int ret;

    ret = ram_init(&m->ram, config->memory, config->memory_shared, err);
    if (ret == 0) {
        ret = vm_init(&m->vm, config->cpus, &m->ram, err);
    }
    if (ret == 0) {
        ret = storage_init(&m->storage, config, &m->vm, &m->ram.mem, disk_stopped, m, err);
    }
    if (ret == 0) {
        ret = load_guest(m, config, &entry, err);
    }
    if (ret == 0 && config->console_out) {
        ret = console_queue_init(&m->console, config->console_out, config->opaque, err);
        m->console_running = ret == 0;
    }
    for (unsigned i = 0; ret == 0 && i < config->cpus; i++) {
        ret = vcpu_init(&m->vcpus[i], &m->vm, i, config->cpus, i == 0 ? &entry : NULL, &m->ram,
                        &vcpu_ops, m, err);
        if (ret == 0) {
            m->nr_vcpus++;
            add_track(&m->vcpus[i], config->trace);
            m->vcpus[i].cpus = config->vcpu_cpus;
        }
    }
    return ret;
}

int machine_new(const struct machine_config *config, struct machine **out, struct error *err)
{
    int ret = check_config(config, err);
    struct machine *m;

    if (ret < 0) {
        return ret;
    }
    m = calloc(1, sizeof(*m));
    if (!m) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    m->vm.fd = m->vm.kvm_fd = -1;
    m->end_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&m->lock, NULL);
    serial_init(&m->serial, &serial_ops, m);
    if (config->ports) {
        m->ports = *config->ports;
    }
    m->on_pause = config->paused;
    m->on_pause_opaque = config->opaque;
    ret = m->end_fd < 0 ? error_set(err, -errno, "eventfd: %s", strerror(errno))
                        : build(m, config, err);
    if (ret < 0) {
        machine_free(m);
        return ret;
    }
    *out = m;
    return 0;
}

/* --- running --- */

int machine_start(struct machine *m, struct error *err)
{
    int ret = 0;

    pthread_mutex_lock(&m->lock);
    m->started = true;
    /* The boot vCPU starts last. The others wait for it, so no guest code runs after a failure. */
    for (unsigned i = m->nr_vcpus; ret == 0 && i-- > 0;) {
        ret = vcpu_start(&m->vcpus[i], err);
    }
    pthread_mutex_unlock(&m->lock);
    if (ret < 0) {
        end_machine(m, MACHINE_STOPPED, "");
    }
    return ret;
}

void machine_pause(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    if (m->end == MACHINE_RUNNING && !m->paused) {
        m->paused = true;
        for (unsigned i = 0; i < m->nr_vcpus; i++) {
            vcpu_pause(&m->vcpus[i]);
        }
    }
    pthread_mutex_unlock(&m->lock);
}

void machine_resume(struct machine *m)
{
    bool was_paused;

    pthread_mutex_lock(&m->lock);
    was_paused = m->paused && m->end == MACHINE_RUNNING;
    if (was_paused) {
        m->paused = false;
        for (unsigned i = 0; i < m->nr_vcpus; i++) {
            vcpu_resume(&m->vcpus[i]);
        }
    }
    pthread_mutex_unlock(&m->lock);
    /* After the vCPUs resumed: a request that fails again pauses the machine again. */
    if (was_paused) {
        storage_retry(&m->storage);
    }
}

bool machine_paused(struct machine *m)
{
    bool paused;

    pthread_mutex_lock(&m->lock);
    paused = m->paused;
    pthread_mutex_unlock(&m->lock);
    return paused;
}

/* The interrupt is edge-triggered: the rising edge counts. */
void machine_powerdown(struct machine *m)
{
    vm_irq_line(&m->vm, LAYOUT_POWER_BUTTON_GSI, true);
    vm_irq_line(&m->vm, LAYOUT_POWER_BUTTON_GSI, false);
}

int machine_resize_disk(struct machine *m, unsigned i, const char *name, struct error *err)
{
    return storage_resize(&m->storage, i, name, err);
}

int machine_end_fd(const struct machine *m)
{
    return m->end_fd;
}

void machine_stop(struct machine *m, enum machine_end why)
{
    end_machine(m, why, "");
}

enum machine_end machine_end(struct machine *m, char *message, size_t size)
{
    struct pollfd pfd = {.fd = m->end_fd, .events = POLLIN};
    enum machine_end end;

    while (poll(&pfd, 1, -1) < 0 && errno == EINTR) {
    }
    pthread_mutex_lock(&m->lock); /* end_machine() has then stopped all vCPU threads */
    end = m->end;
    if (size) {
        snprintf(message, size, "%s", m->message);
    }
    pthread_mutex_unlock(&m->lock);
    return end;
}

enum machine_end machine_wait(struct machine *m, char *message, size_t size)
{
    enum machine_end end = machine_end(m, message, size);

    for (unsigned i = 0; i < m->nr_vcpus; i++) {
        vcpu_join(&m->vcpus[i]);
    }
    storage_stop(&m->storage);
    if (m->console_running) {
        console_queue_destroy(&m->console);
        m->console_running = false;
    }
    return end;
}

void machine_free(struct machine *m)
{
    if (!m) {
        return;
    }
    if (m->started) {
        end_machine(m, MACHINE_STOPPED, "");
        machine_wait(m, NULL, 0);
    }
    for (unsigned i = 0; i < m->nr_vcpus; i++) {
        vcpu_destroy(&m->vcpus[i]);
    }
    if (m->console_running) {
        console_queue_destroy(&m->console);
    }
    storage_destroy(&m->storage);
    vm_destroy(&m->vm);
    ram_destroy(&m->ram);
    serial_destroy(&m->serial);
    pthread_mutex_destroy(&m->lock);
    if (m->end_fd >= 0) {
        close(m->end_fd);
    }
    free(m);
}

/* --- console, watchdog, statistics --- */

size_t machine_console_in(struct machine *m, const void *data, size_t len)
{
    return serial_receive(&m->serial, data, len);
}

void machine_watch(struct machine *m)
{
    for (unsigned i = 0; i < m->storage.nr_disks; i++) {
        if (m->storage.disks[i].disk.is_virtio_blk) {
            virtio_blk_watch(m->storage.disks[i].disk.dev);
        }
    }
}

struct iothread *machine_iothread(struct machine *m, unsigned i)
{
    return i < m->storage.iothreads.nr ? m->storage.iothreads.threads[i] : NULL;
}

int machine_end_records(struct machine *m, struct error *err)
{
    return iothread_set_end_records(&m->storage.iothreads, err);
}

struct disk *machine_disk_parts(struct machine *m, unsigned i)
{
    return i < m->storage.nr_disks && m->storage.disks[i].disk.is_virtio_blk
               ? &m->storage.disks[i].disk
               : NULL;
}

struct virtio_device *machine_disk(struct machine *m, unsigned i)
{
    struct disk *disk = machine_disk_parts(m, i);

    return disk ? disk->dev : NULL;
}

int machine_vcpu_tid(struct machine *m, unsigned i)
{
    return load_relaxed(&m->vcpus[i].tid);
}

uint64_t machine_vcpu_cpu_ns(struct machine *m, unsigned i)
{
    return vcpu_cpu_ns(&m->vcpus[i]);
}

uint64_t machine_vcpu_exits(struct machine *m, unsigned i)
{
    return load_relaxed(&m->vcpus[i].exits);
}
