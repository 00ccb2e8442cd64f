/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/probe.h"

#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/claim.h"
#include "host/process.h"
#include "probe/accelerator.h"
#include "probe/guest_init.h"
#include "probe/initramfs.h"
#include "probe/port.h"

/* How long a guest may stay silent. Under KVM one is up in two seconds, and the price of giving up
 * too early is a run under TCG; each disk is a device more to be found. */
#define HELLO_KVM_NS (8 * NS_PER_SECOND)
/* The host may have been busy: that KVM hangs is not remembered before it had this much. */
#define HELLO_KVM_AGAIN_NS (20 * NS_PER_SECOND)
#define HELLO_TCG_NS (60 * NS_PER_SECOND)
/* Under TCG one is up in three seconds. Now and then one does not get as far as its kernel's first
 * line, with nobody to blame but the emulation: it is started again. */
#define HELLO_TCG_EARLY_NS (20 * NS_PER_SECOND)
#define TCG_ATTEMPTS 3
#define HELLO_PER_DISK_NS (NS_PER_SECOND / 5)

/* The SCSI ones come last, and only where such disks are. Loading sd_mod ends when all is probed
 * that was found by then: the disks are there when /init goes on. */
static const char *const usual_modules[] = {"virtio_pci", "virtio_blk", "virtio_console"};
static const char *const scsi_modules[] = {"virtio_scsi", "sd_mod"};

#define MODULES_MAX (ARRAY_SIZE(usual_modules) + 1 + ARRAY_SIZE(scsi_modules) + 1)

/* Those that a guest of this kind needs, NULL-terminated. */
static void list_modules(const struct probe_spec *spec, const char *filesystem,
                         const char *ret[MODULES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(usual_modules); i++)
        ret[count++] = usual_modules[i];
    if (filesystem)
        ret[count++] = filesystem;
    for (size_t i = 0; probe_spec_has_scsi(spec) && i < ARRAY_SIZE(scsi_modules); i++)
        ret[count++] = scsi_modules[i];
    ret[count] = NULL;
}

/* --- Why a guest failed ----------------------------------------------------------------------- */

/* The last line of a file, as far as it says something; NULL for none. The caller frees. */
static char *last_line_of(const char *path)
{
    cleanup_free char *text = file_read(path, NULL, NULL);
    if (!text)
        return NULL;
    size_t end = strlen(text);
    while (end && strchr(" \r\n", text[end - 1]))
        text[--end] = '\0';
    const char *newline = strrchr(text, '\n');
    const char *line = newline ? newline + 1 : text;
    return line[0] ? xstrdup(line) : NULL;
}

/* The guest is silent or gone: says so, with the last thing its console shows. */
static int explain_silence(const char *what, const char *console, struct error **err)
{
    cleanup_free char *line = last_line_of(console);
    error_set(err, "%s", what);
    return line ? error_hint(err, "the guest's console ends with: %s", line)
                : error_hint(err, "the guest's console is empty: it did not get as far as its "
                                  "kernel's first line");
}

/* Whether there is nobody left to hear the guest through: then the error says that, and not what it
 * looks like from here. */
static bool daemon_is_gone(const struct probe *p, struct error **err)
{
    if (!connection_is_lost(p->connection))
        return false;
    error_set(err, "libvirt's daemon went away, and with it the probe guest");
    error_hint(err, "it was stopped or started anew in the middle of the run: run again");
    return true;
}

/* Its standard error is a file unless virtlogd stands between. */
char *probe_log_path(const struct probe *p)
{
    cleanup_free char *link = xasprintf("/proc/%d/fd/2", (int)p->pid);
    char target[PATH_MAX] = "";
    if (p->pid && readlink(link, target, sizeof(target) - 1) > 0 && target[0] == '/')
        return xstrdup(target);
    return geteuid() == 0
               ? xasprintf("/var/log/libvirt/qemu/%s.log", p->name)
               : xasprintf("%s/libvirt/qemu/log/%s.log", g_get_user_cache_dir(), p->name);
}

/* --- Starting --------------------------------------------------------------------------------- */

/* A QEMU that is busy in the kernel, as under a KVM that hangs, can outlive libvirt's patience. */
#define DESTROY_ATTEMPTS 3

/* What a daemon keeps of each domain, for ever: no other guest comes under this name, and the next
 * one of this run is to have a log that tells of it alone. */
static void remove_log(const struct probe *p, const char *path)
{
    cleanup_free char *own = xasprintf("/%s.log", p->name);
    const char *file = strrchr(path, '/');
    if (strncmp(p->name, CLAIM_DOMAIN_PREFIX, strlen(CLAIM_DOMAIN_PREFIX)) == 0 && file &&
        strcmp(file, own) == 0)
        unlink(path);
}

static void destroy_domain(struct probe *p)
{
    cleanup_free char *log = probe_log_path(p);
    port_close(TAKE_PTR(p->port));
    if (p->domain) {
        /* Fails when QEMU is gone already, which is as good. */
        for (unsigned i = 0; i < DESTROY_ATTEMPTS; i++)
            if (virDomainDestroy(p->domain) == 0 || virDomainIsActive(p->domain) != 1)
                break;
        virDomainFree(TAKE_PTR(p->domain));
    }
    remove_log(p, log);
    hello_done(&p->hello);
    p->pid = 0;
}

static int create_domain(struct probe *p, const struct probe_spec *spec, enum accelerator a,
                         unsigned more_flags, struct error **err)
{
    cleanup_free char *xml = probe_spec_to_xml(spec, a);
    unsigned flags = VIR_DOMAIN_START_VALIDATE | more_flags;
    if (!p->connection->embedded)
        flags |= VIR_DOMAIN_START_AUTODESTROY;
    p->domain = virDomainCreateXML(p->connection->handle, xml, flags);
    if (!p->domain)
        return connection_error(err, "the probe guest does not start");
    p->accelerator = a;
    /* libvirt starts QEMU so that it outlives the guest's power-off, for libvirt to see to it. When
     * this program is killed nobody does: then QEMU itself has to end. */
    cleanup_free char *answer = NULL;
    virDomainQemuMonitorCommand(p->domain,
                                "{\"execute\":\"set-action\",\"arguments\":"
                                "{\"shutdown\":\"poweroff\"}}",
                                &answer, 0);
    cleanup_free char *guest = xasprintf("guest=%s", spec->name);
    const char *const words[] = {guest, NULL};
    p->pid = process_find(words);
    return 0;
}

static bool has_serial(const struct hello *h, const char *serial)
{
    for (size_t i = 0; i < h->disk_count; i++)
        if (strcmp(h->disks[i].serial, serial) == 0)
            return true;
    return false;
}

/* The domain's XML has a place for it only from libvirt 9.4 on; a running guest has always. */
static int set_polling(struct probe *p, const struct probe_spec *spec, struct error **err)
{
    for (size_t i = 0; i < spec->disk_count; i++) {
        const struct disk_config *c = spec->disks[i].config;
        unsigned count, first = probe_spec_iothreads(spec, i, &count);
        for (unsigned id = first; c->poll_max_ns && id < first + count; id++) {
            virTypedParameter poll = {.type = VIR_TYPED_PARAM_ULLONG,
                                      .value.ul = disk_config_poll_ns(c)};
            strcpy(poll.field, VIR_DOMAIN_IOTHREAD_POLL_MAX_NS);
            if (virDomainSetIOThreadParams(p->domain, id, &poll, 1, VIR_DOMAIN_AFFECT_LIVE) < 0)
                return connection_error(err, "cannot set how long an iothread polls");
        }
    }
    return 0;
}

/* 1: it said hello; 0: it was silent; -1: it failed otherwise. */
static int wait_for_hello(struct probe *p, const struct probe_spec *spec, uint64_t hello_ns,
                          struct error **err)
{
    uint64_t patience = hello_ns + spec->disk_count * HELLO_PER_DISK_NS;
    p->port = port_open(p->connection, p->domain, PROTOCOL_PORT, err);
    if (!p->port)
        return -1;
    cleanup_free char *line = NULL;
    switch (port_read_line(p->port, clock_now_ns() + patience, &line, err)) {
    case PORT_LINE:
        break;
    case PORT_TIMEOUT:
        if (daemon_is_gone(p, err))
            return -1;
        explain_silence("the probe guest does not say hello", spec->console_path, err);
        return 0;
    case PORT_CLOSED:
        if (daemon_is_gone(p, err))
            return -1;
        return explain_silence("the probe guest ended while it booted", spec->console_path, err);
    case PORT_ERROR:
        return -1;
    }
    cleanup_json json_t *json = json_loads(line, 0, NULL);
    if (hello_from_json(json, &p->hello, err) < 0)
        return -1;
    for (size_t i = 0; i < spec->disk_count; i++)
        if (!has_serial(&p->hello, spec->disks[i].serial))
            return error_set(err, "the probe guest does not see its disk %s",
                             spec->disks[i].serial);
    return 1;
}

static int try_accelerator(struct probe *p, const struct probe_spec *spec, enum accelerator a,
                           uint64_t hello_ns, struct error **err)
{
    if (create_domain(p, spec, a, 0, err) < 0 || set_polling(p, spec, err) < 0)
        return -1;
    return wait_for_hello(p, spec, hello_ns, err);
}

static int try_tcg(struct probe *p, const struct probe_spec *spec, struct error **err)
{
    for (unsigned attempt = 1; attempt < TCG_ATTEMPTS; attempt++) {
        cleanup_error struct error *silence = NULL;
        int said_hello = try_accelerator(p, spec, ACCELERATOR_TCG, HELLO_TCG_EARLY_NS, &silence);
        if (said_hello < 0 && err)
            *err = TAKE_PTR(silence);
        if (said_hello != 0)
            return said_hello;
        destroy_domain(p);
        if (interrupt_check(err) < 0)
            return -1;
    }
    return try_accelerator(p, spec, ACCELERATOR_TCG, HELLO_TCG_NS, err);
}

/* KVM with the host's own CPU. QEMU aborts over it on hosts whose KVM offers the register of
 * arch-capabilities and then refuses its value ("failed to set MSR 0x10a"): once more without. */
static int try_kvm(struct probe *p, const struct probe_spec *spec, uint64_t hello_ns,
                   struct error **err)
{
    int said_hello = try_accelerator(p, spec, ACCELERATOR_KVM, hello_ns, err);
    if (said_hello >= 0 || p->domain || interrupt_check(NULL) < 0 ||
        !strstr(virGetLastErrorMessage(), "MSR"))
        return said_hello;
    struct probe_spec other = *spec;
    other.cpu_without = "arch-capabilities";
    return try_accelerator(p, &other, ACCELERATOR_KVM, hello_ns, err);
}

/* What findings about KVM hold for. The caller frees. */
static char *kvm_key(const struct probe *p, const struct probe_options *options)
{
    unsigned long version = 0;
    virConnectGetVersion(p->connection->handle, &version);
    return accelerator_key(options->emulator, version, options->kernel->release);
}

/* Whether the guest's kernel has not said a word. */
static bool is_mute(const struct probe_spec *spec)
{
    cleanup_free char *line = last_line_of(spec->console_path);
    return !line;
}

/* As wait_for_hello. A guest that is silent without a word is started once more, and given more
 * time; *ret_hangs is whether that one was like it. */
static int try_kvm_again(struct probe *p, const struct probe_spec *spec, bool *ret_hangs,
                         struct error **err)
{
    *ret_hangs = false;
    int said_hello = try_kvm(p, spec, HELLO_KVM_NS, err);
    if (said_hello != 0 || !is_mute(spec))
        return said_hello;
    destroy_domain(p);
    if (interrupt_check(err) < 0)
        return -1;
    said_hello = try_kvm(p, spec, HELLO_KVM_AGAIN_NS, err);
    *ret_hangs = said_hello == 0 && is_mute(spec);
    return said_hello;
}

/* KVM first; TCG where the guest stays silent or KVM is refused. */
static int try_both(struct probe *p, const struct probe_spec *spec,
                    const struct probe_options *options, struct error **err)
{
    cleanup_free char *key = kvm_key(p, options);
    cleanup_error struct error *kvm_error = NULL;
    uint64_t begin_ns = clock_now_ns();
    bool hangs;

    if (accelerator_kvm_hangs(options->state_directory, key)) {
        p->accelerator_note = xstrdup("a guest under KVM was found to hang on this host; "
                                      "--accel kvm tries again");
    } else {
        if (try_kvm_again(p, spec, &hangs, &kvm_error) > 0)
            return 0;
        destroy_domain(p);
        if (interrupt_check(err) < 0)
            return -1;
        if (hangs) {
            accelerator_remember_kvm_hangs(options->state_directory, key);
            p->kvm_trial_ns = clock_now_ns() - begin_ns;
        }
        p->accelerator_note = xasprintf("not KVM: %s", kvm_error->message);
    }
    return try_tcg(p, spec, err) > 0 ? 0 : -1;
}

/* The files of a guest; free them with files_done, which takes kernel and initramfs away: QEMU has
 * read them, and the next guest in this directory brings its own. */
struct files {
    char *kernel, *initramfs, *console, *port;
};

static void files_done(struct files *f)
{
    if (f->kernel)
        unlink(f->kernel);
    unlink(f->initramfs);
    free(f->kernel);
    free(f->initramfs);
    free(f->console);
    free(f->port);
}

static int prepare(const struct connection *c, const struct probe_options *options,
                   struct probe_disk *disks, size_t disk_count, struct files *files,
                   struct probe_spec *ret, struct error **err)
{
    files->initramfs = xasprintf("%s/initramfs", options->directory);
    files->console = xasprintf("%s/console", options->directory);
    /* A daemon gives what a guest is booted from to QEMU's user: that is not to be the host's own.
     */
    files->kernel = c->embedded ? NULL : xasprintf("%s/kernel", options->directory);
    /* libvirt's own place below its root is deep, and a socket's path short: at most 107 bytes. */
    files->port = c->embedded ? xasprintf("%s/port", options->directory) : NULL;
    *ret = (struct probe_spec){
        .name = options->name,
        .kernel_path = files->kernel ? files->kernel : options->kernel->image,
        .initramfs_path = files->initramfs,
        .console_path = files->console,
        .port_path = files->port,
        .emulator = options->emulator,
        .mirror = options->mirror,
        .vcpus = options->vcpus,
        .disk_count = disk_count,
        .disks = disks,
    };
    ret->memory_mib = probe_memory_mib(probe_spec_queues(ret));
    const char *modules[MODULES_MAX];
    list_modules(ret, options->filesystem, modules);
    if (files->kernel && file_copy(options->kernel->image, files->kernel, err) < 0)
        return -1;
    return initramfs_write(files->initramfs, options->kernel, guest_init, guest_init_size, modules,
                           options->image, err);
}

struct probe *probe_start(struct connection *c, const struct probe_options *options,
                          struct probe_disk *disks, size_t disk_count, bool *ret_refused,
                          struct error **err)
{
    at_scope_end(files_done) struct files files = {0};
    struct probe_spec spec;
    if (prepare(c, options, disks, disk_count, &files, &spec, err) < 0)
        return NULL;
    cleanup_probe struct probe *p = xcalloc(1, sizeof(*p));
    p->connection = c;
    p->name = xstrdup(options->name);
    bool up = options->accelerator == ACCELERATOR_AUTO  ? try_both(p, &spec, options, err) == 0
              : options->accelerator == ACCELERATOR_KVM ? try_kvm(p, &spec, HELLO_KVM_NS, err) > 0
                                                        : try_tcg(p, &spec, err) > 0;
    if (up && p->accelerator == ACCELERATOR_KVM) {
        cleanup_free char *key = kvm_key(p, options);
        accelerator_forget_kvm_hangs(options->state_directory, key);
    }
    if (ret_refused)
        *ret_refused = !up && !p->domain;
    return up ? TAKE_PTR(p) : NULL;
}

int probe_accepts(struct connection *c, const struct probe_options *options,
                  struct probe_disk *disk, struct error **err)
{
    at_scope_end(files_done) struct files files = {0};
    struct probe_spec spec;
    if (prepare(c, options, disk, 1, &files, &spec, err) < 0)
        return -1;
    cleanup_probe struct probe *p = xcalloc(1, sizeof(*p));
    p->connection = c;
    p->name = xstrdup(options->name);
    return create_domain(p, &spec, ACCELERATOR_TCG, VIR_DOMAIN_START_PAUSED, err);
}

void probe_stop(struct probe *p)
{
    if (!p)
        return;
    destroy_domain(p);
    free(p->name);
    free(p->accelerator_note);
    free(p);
}

/* --- Talking ---------------------------------------------------------------------------------- */

json_t *probe_request(struct probe *p, json_t *command, uint64_t timeout_ns, struct error **err)
{
    cleanup_json json_t *owned = command;
    cleanup_free char *text = json_dumps(owned, JSON_COMPACT);
    cleanup_free char *line = NULL;
    if (interrupt_check(err) < 0)
        return NULL;
    enum port_status status = port_write_line(p->port, text, err);
    if (status == PORT_LINE)
        status = port_read_line(p->port, clock_now_ns() + timeout_ns, &line, err);
    switch (status) {
    case PORT_LINE:
        break;
    case PORT_TIMEOUT:
        if (daemon_is_gone(p, err))
            return NULL;
        error_set(err, "the probe guest hangs: no answer within %.0f s", (double)timeout_ns / 1e9);
        error_hint(err, "a disk that does not answer does this: see the host's kernel log");
        return NULL;
    case PORT_CLOSED:
        if (daemon_is_gone(p, err))
            return NULL;
        error_set(err, "the probe guest ended in the middle of the run");
        error_hint(err, "QEMU was killed or crashed: see the host's kernel log (out of memory?)");
        return NULL;
    case PORT_ERROR:
        return NULL;
    }
    cleanup_json json_t *reply = json_loads(line, 0, NULL);
    const char *failure = json_string_value(json_object_get(reply, "error"));
    if (failure) {
        error_set(err, "in the probe guest: %s", failure);
        return NULL;
    }
    if (!json_is_object(reply)) {
        error_set(err, "the probe guest sent something that is not an answer");
        return NULL;
    }
    return TAKE_PTR(reply);
}

int probe_read_clock(struct probe *p, struct clock_pair *ret, struct error **err)
{
    struct clock_pair best = {.uncertainty_ns = UINT64_MAX};
    for (unsigned i = 0; i < 8; i++) {
        uint64_t guest, before = clock_now_ns();
        cleanup_json json_t *reply =
            probe_request(p, json_pack("{s:s}", "do", "clock"), 10 * NS_PER_SECOND, err);
        uint64_t half = (clock_now_ns() - before) / 2;
        if (!reply || protocol_get_u64(reply, "now_ns", &guest, err) < 0)
            return -1;
        if (half < best.uncertainty_ns)
            best = (struct clock_pair){before + half, guest, half};
    }
    *ret = best;
    return 0;
}

double probe_clock_drift(const struct clock_pair *from, const struct clock_pair *to)
{
    double host = (double)(to->host_ns - from->host_ns);
    double guest = (double)(to->guest_ns - from->guest_ns);
    return host > 0 ? guest / host - 1 : 0;
}

double probe_clock_uncertainty(const struct clock_pair *from, const struct clock_pair *to)
{
    return (double)(from->uncertainty_ns + to->uncertainty_ns) /
           (double)(to->host_ns - from->host_ns);
}
