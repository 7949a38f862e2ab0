// SPDX-License-Identifier: MIT
/*
 * All is made in sandbox_start(), where files can be opened and memory can be had; a thread that is
 * confined only installs it. A helper has the rules and the filter of the spawner, too, which let
 * its own ones be installed on top of them.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/calls.h"
#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"
#include "sandbox/spawner.h"
#include "sandbox/violation.h"

#define NBD_PORT 10809
#define DNS_PORT 53

struct iothread_filter {
    const char *id;
    struct filter filter;
};

/* Of the process. */
static struct {
    struct filter filters[THREAD_KINDS]; /* but THREAD_IO */
    struct iothread_filter *iothreads;
    unsigned nr_iothreads;
    int main_rules, rules, connector_rules; /* landlock_make() */
} box;

static const char *const kind_names[THREAD_KINDS] = {
    [THREAD_MAIN] = "main thread",       [THREAD_IO] = "I/O thread",
    [THREAD_WORKER] = "worker",          [THREAD_CONNECTOR] = "connector",
    [THREAD_RECORDER] = "recorder",      [THREAD_VCPU] = "vCPU thread",
    [THREAD_CONSOLE] = "console thread", [THREAD_SERVER] = "front-end thread",
    [THREAD_SPAWNER] = "spawner",
};

/* --- confining a thread --- */

static _Noreturn void fail(const char *what, int num)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "pollux: sandbox: %s: %s\n", what, strerror(num));

    (void)!write(STDERR_FILENO, line, (size_t)len);
    abort();
}

static const struct filter *filter_of(enum thread_kind kind, const char *name)
{
    if (kind != THREAD_IO) {
        return &box.filters[kind];
    }
    for (unsigned i = 0; i < box.nr_iothreads; i++) {
        if (strcmp(box.iothreads[i].id, name) == 0) {
            return &box.iothreads[i].filter;
        }
    }
    fail(name, ENOENT);
}

static int rules_of(enum thread_kind kind)
{
    switch (kind) {
    case THREAD_MAIN:
    case THREAD_VCPU:
    case THREAD_SERVER:
        return LANDLOCK_NONE; /* inherited from the main thread: see sandbox_start() */
    case THREAD_CONNECTOR:
    case THREAD_SPAWNER:
        return box.connector_rules;
    default:
        return box.rules;
    }
}

static void confine(enum thread_kind kind, const char *name)
{
    const struct filter *filter = filter_of(kind, name);
    int ret;

    violation_name_thread(kind_names[kind], name);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        fail("no_new_privs", errno);
    }
    ret = landlock_enter(rules_of(kind));
    if (ret < 0) {
        fail("Landlock", -ret);
    }
    ret = filter_install(filter);
    if (ret < 0) {
        fail("seccomp", -ret);
    }
}

static const struct thread_guard guard = {.confine = confine, .create = spawner_create};

/* --- rules --- */

/* The port of nbd://HOST:PORT/EXPORT, where HOST may be an address in brackets. */
static uint16_t port_of(const char *uri)
{
    const char *host = strstr(uri, "://"), *end, *at;

    host = host ? host + 3 : uri;
    end = host + strcspn(host, "/?#");
    for (at = end; at > host && isdigit((unsigned char)at[-1]); at--) {
    }
    return at > host && at[-1] == ':' && at < end ? (uint16_t)strtoul(at, NULL, 10) : NBD_PORT;
}

/* The value of @key in the query of @uri, decoded; NULL: none, or no memory. */
static char *path_in(const char *uri, const char *key)
{
    const char *at = strstr(uri, key);
    char *path, *to;

    if (!at) {
        return NULL;
    }
    at += strlen(key);
    path = strndup(at, strcspn(at, "&#"));
    to = path;
    for (const char *from = path; path && *from; from++) {
        const char digits[3] = {from[1], from[1] ? from[2] : '\0', '\0'};

        if (*from == '%' && isxdigit((unsigned char)digits[0]) &&
            isxdigit((unsigned char)digits[1])) {
            *to++ = (char)strtoul(digits, NULL, 16);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    if (path) {
        *to = '\0';
    }
    return path;
}

/* Return: the number of keys, which are read again for each connection. */
static unsigned add_keys(struct landlock_rules *rules, unsigned nr,
                         const struct sandbox_config *config)
{
    static const char *const keys[] = {"tls-psk-file=", "tls-certificates="};
    unsigned first = nr, most = sizeof(rules->read) / sizeof(rules->read[0]) - 1;

    for (unsigned i = 0; i < config->nr_uris; i++) {
        for (unsigned k = 0; k < 2 && nr < most; k++) {
            rules->read[nr] = path_in(config->uris[i], keys[k]);
            nr += rules->read[nr] != NULL;
        }
    }
    return nr - first;
}

static int make_connector_rules(const struct sandbox_config *config, struct error *err)
{
    static const char *const of_names[] = {"/etc", "/usr", "/lib", "/lib64",
                                           "/run/systemd/resolve"};
    const unsigned nr_names = sizeof(of_names) / sizeof(of_names[0]);
    struct landlock_rules rules = {.signals = false};
    unsigned keys, nr = 0;
    int ret;

    if (calls_tcp(config)) {
        memcpy(rules.read, of_names, sizeof(of_names));
        rules.connect[nr++] = DNS_PORT;
        for (unsigned i = 0; i < config->nr_uris && nr < 33; i++) {
            rules.connect[nr++] = port_of(config->uris[i]);
        }
    }
    nr = calls_tcp(config) ? nr_names : 0;
    keys = add_keys(&rules, nr, config);
    ret = landlock_make(&rules, err);
    while (keys--) {
        free((char *)rules.read[nr + keys]);
    }
    return ret;
}

/* @path up to its last slash. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? strdup("/")
           : slash       ? strndup(path, (size_t)(slash - path))
                         : strdup(".");
}

static int make_main_rules(const struct sandbox_config *config, struct error *err)
{
    struct landlock_rules *rules = calloc(1, sizeof(*rules));
    unsigned nr = 0;
    int ret;

    if (!rules) {
        return error_set(err, -ENOMEM, "out of memory for the sandbox");
    }
    rules->signals = config->children;
    for (unsigned i = 0; i < config->nr_removed && nr < LANDLOCK_PATHS_MAX - 1; i++) {
        rules->remove[nr] = directory_of(config->removed[i]);
        nr += rules->remove[nr] != NULL;
    }
    ret = landlock_make(rules, err);
    while (nr--) {
        free((char *)rules->remove[nr]);
    }
    free(rules);
    return ret;
}

static int make_rules(const struct sandbox_config *config, struct error *err)
{
    const struct landlock_rules none = {.signals = !landlock_threads_may_signal()};

    box.main_rules = make_main_rules(config, err);
    if (box.main_rules < 0) {
        return box.main_rules;
    }
    box.rules = landlock_make(&none, err);
    if (box.rules < 0) {
        return box.rules;
    }
    box.connector_rules = make_connector_rules(config, err);
    return box.connector_rules < 0 ? box.connector_rules : 0;
}

/* --- filters --- */

static int make_filters(const struct sandbox_config *config, struct error *err)
{
    bool unix_only = !calls_tcp(config);
    struct calls calls;
    int ret = 0;

    for (enum thread_kind kind = 0; kind < THREAD_KINDS && ret == 0; kind++) {
        if (kind != THREAD_IO) {
            calls_of(kind, config, &calls);
            ret = filter_make(&box.filters[kind], &calls, unix_only, config->mode, err);
        }
    }
    box.iothreads = calloc(config->nr_iothreads, sizeof(*box.iothreads));
    if (ret == 0 && !box.iothreads) {
        return error_set(err, -ENOMEM, "out of memory for the sandbox");
    }
    for (unsigned i = 0; i < config->nr_iothreads && ret == 0; i++) {
        box.iothreads[i].id = strdup(config->iothreads[i].id);
        if (!box.iothreads[i].id) {
            return error_set(err, -ENOMEM, "out of memory for the sandbox");
        }
        calls_of_iothread(&config->iothreads[i], &calls);
        ret = filter_make(&box.iothreads[i].filter, &calls, unix_only, config->mode, err);
        box.nr_iothreads++;
    }
    return ret;
}

int sandbox_start(const struct sandbox_config *config, struct error *err)
{
    int ret;

    if (config->mode == SANDBOX_OFF) {
        return 0;
    }
    if (!sandbox_has_filters()) {
        return error_set(err, -ENOSYS,
                         "--sandbox: this kernel has no filters for system calls "
                         "(CONFIG_SECCOMP_FILTER); use --sandbox off");
    }
    box.main_rules = box.rules = box.connector_rules = LANDLOCK_NONE;
    ret = violation_catch(err);
    if (ret == 0) {
        ret = make_filters(config, err);
    }
    if (ret == 0 && config->mode == SANDBOX_ON) {
        ret = make_rules(config, err);
    }
    if (ret < 0) {
        return error_prefix(err, ret, "--sandbox: ");
    }
    thread_guard_set(&guard);
    ret = spawner_start(err);
    if (ret == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        ret = error_set(err, -errno, "no_new_privs: %s", strerror(errno));
    }
    if (ret == 0) {
        ret = landlock_enter(box.main_rules);
        ret = ret < 0 ? error_set(err, ret, "Landlock: %s", strerror(-ret)) : 0;
    }
    return ret < 0 ? error_prefix(err, ret, "--sandbox: ") : 0;
}

int sandbox_landlock_abi(void)
{
    return landlock_abi();
}

bool sandbox_has_filters(void)
{
    const unsigned action = SECCOMP_RET_TRAP;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}
