/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/accelerator.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

#define FILE_NAME "kvm-hangs.json"

/* "AMD EPYC" out of /proc/cpuinfo; empty where there is no such line. The caller frees. */
static char *cpu_model(void)
{
    cleanup_free char *info = file_read("/proc/cpuinfo", NULL, NULL);
    const char *line = info ? strstr(info, "model name") : NULL;
    const char *colon = line ? strchr(line, ':') : NULL;
    return colon ? strndup(colon + 1, strcspn(colon + 1, "\n")) : xstrdup("");
}

char *accelerator_key(unsigned long qemu_version, const char *guest_kernel)
{
    struct utsname host;
    uname(&host);
    cleanup_free char *cpu = cpu_model();
    char *key = xasprintf("host %s %s,%s, qemu %lu, guest %s", host.machine, host.release, cpu,
                          qemu_version, guest_kernel);
    text_one_line(key);
    return key;
}

bool accelerator_kvm_hangs(const char *state_directory, const char *key)
{
    cleanup_free char *path = xasprintf("%s/" FILE_NAME, state_directory);
    cleanup_json json_t *known = json_load_file(path, 0, NULL);
    return json_is_true(json_object_get(known, key));
}

void accelerator_remember_kvm_hangs(const char *state_directory, const char *key)
{
    cleanup_free char *path = xasprintf("%s/" FILE_NAME, state_directory);
    cleanup_json json_t *known = json_load_file(path, 0, NULL);
    if (!json_is_object(known)) {
        json_decref(known);
        known = json_object();
    }
    json_object_set_new(known, key, json_true());
    cleanup_free char *text = json_dumps(known, JSON_INDENT(2));
    if (file_make_directories(state_directory, NULL) == 0)
        file_write_atomic(path, text, NULL);
}
