// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/cpus.h"
#include "cli/host-info.h"

/* What follows @key and a separator in the first line that begins with it, without quotes. */
static void read_value(const char *path, const char *key, char separator, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    char line[512], *value;

    *out = '\0';
    while (f && !*out && fgets(line, sizeof(line), f)) {
        value = strchr(line, separator);
        if (value && !strncmp(line, key, strlen(key))) {
            value += 1 + strspn(value + 1, " \"");
            snprintf(out, size, "%.*s", (int)strcspn(value, "\"\n"), value);
        }
    }
    if (f) {
        fclose(f);
    }
}

void host_info_get(struct host_info *h)
{
    struct utsname u;
    struct error err = {""};
    struct cpus cpus;

    cpus_get(&cpus, "");
    *h = (struct host_info){.processors = cpus.allowed};
    uname(&u);
    snprintf(h->kernel, sizeof(h->kernel), "%s", u.release);
    read_value("/etc/os-release", "PRETTY_NAME", '=', h->system, sizeof(h->system));
    read_value("/proc/cpuinfo", "model name", ':', h->processor, sizeof(h->processor));
    h->kvm_kind = "none";
    if (kvm_probe(&h->timing, &err) == 0) {
        h->kvm_kind = h->timing.can_boot_linux ? "hardware" : "emulated";
    }
}
