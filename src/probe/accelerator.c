/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/accelerator.h"

#include <string.h>
#include <sys/stat.h>
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

/* What tells one QEMU from another: its version, or of one that was chosen its path and its age.
 * The caller frees. */
static char *qemu_key(const char *emulator, unsigned long version)
{
    struct stat st = {0};
    if (!emulator)
        return xasprintf("%lu", version);
    stat(emulator, &st);
    return xasprintf("%s of %lld", emulator, (long long)st.st_mtime);
}

char *accelerator_key(const char *emulator, unsigned long qemu_version, const char *guest_kernel)
{
    struct utsname host;
    uname(&host);
    cleanup_free char *cpu = cpu_model(), *qemu = qemu_key(emulator, qemu_version);
    char *key = xasprintf("host %s %s,%s, qemu %s, guest %s", host.machine, host.release, cpu, qemu,
                          guest_kernel);
    text_one_line(key);
    return key;
}

/* What is known, an object; the caller owns it. */
static json_t *load(const char *state_directory)
{
    cleanup_free char *path = xasprintf("%s/" FILE_NAME, state_directory);
    cleanup_json json_t *known = json_load_file(path, 0, NULL);
    return json_is_object(known) ? TAKE_PTR(known) : json_object();
}

static void save(const char *state_directory, json_t *known)
{
    cleanup_free char *path = xasprintf("%s/" FILE_NAME, state_directory);
    cleanup_free char *text = json_dumps(known, JSON_INDENT(2));
    if (file_make_directories(state_directory, NULL) == 0)
        file_write_atomic(path, text, NULL);
}

bool accelerator_kvm_hangs(const char *state_directory, const char *key)
{
    cleanup_json json_t *known = load(state_directory);
    return json_is_true(json_object_get(known, key));
}

void accelerator_remember_kvm_hangs(const char *state_directory, const char *key)
{
    cleanup_json json_t *known = load(state_directory);
    json_object_set_new(known, key, json_true());
    save(state_directory, known);
}

void accelerator_forget_kvm_hangs(const char *state_directory, const char *key)
{
    cleanup_json json_t *known = load(state_directory);
    if (json_object_del(known, key) == 0)
        save(state_directory, known);
}
