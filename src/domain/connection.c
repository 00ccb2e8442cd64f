/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/connection.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <libxml/xmlerror.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "domain/patience.h"

/* --- The event loop --------------------------------------------------------------------------- */

/* libvirt prints errors by itself unless told otherwise; here they become values. */
static void stay_silent(void *data, virErrorPtr error)
{
    (void)data, (void)error;
}

/* So does libxml2, which libvirt reads XML with: what it has to say arrives as libvirt's error. */
static void stay_silent_xml(void *context, const char *format, ...)
{
    (void)context, (void)format;
}

static void *run_events(void *unused)
{
    (void)unused;
    for (;;)
        virEventRunDefaultImpl();
    return NULL;
}

/* The thread lives as long as the process: libvirt has no way to take its event loop back. */
static int start_events(struct error **err)
{
    static bool started;
    if (started)
        return 0;
    virSetErrorFunc(NULL, stay_silent);
    xmlSetGenericErrorFunc(NULL, stay_silent_xml);
    xmlThrDefSetGenericErrorFunc(NULL, stay_silent_xml);
    /* Its log would go to standard error as well; who wants it sets this variable. */
    setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", /* overwrite = */ 0);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        return connection_error(err, "cannot start libvirt");

    pthread_t thread;
    int r = interrupt_start_thread(&thread, run_events, NULL);
    if (r)
        return error_set_errno(err, r, "cannot start a thread");
    pthread_detach(thread);
    started = true;
    return 0;
}

/* --- Connections ------------------------------------------------------------------------------ */

/* A daemon that hangs still takes connections and never says a word. Somebody who is asked for a
 * password has this long, too. */
#define OPEN_SECONDS 60

/* As in virsh: a daemon that leaves as many questions in a row unanswered is taken for dead, and so
 * is what it was asked for. It answers them while it works. */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 6

struct opening {
    char *uri;
    unsigned flags;
    virConnectPtr handle;
    struct error *err;
};

static void opening_clear(void *data)
{
    struct opening *o = data;
    if (o->handle)
        virConnectClose(o->handle);
    error_free(o->err);
    free(o->uri);
}

PATIENCE_CLEANUP(cleanup_opening_handler, struct opening, opening_clear)

static void open_it(void *data)
{
    struct opening *o = data;
    o->handle = virConnectOpenAuth(o->uri, virConnectAuthPtrDefault, o->flags);
    if (o->handle) {
        /* An error where there is no daemon, as with the test driver. */
        virConnectSetKeepAlive(o->handle, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
        return;
    }
    connection_error(&o->err, "cannot connect to libvirt (%s)", o->uri ? o->uri : "default URI");
    const virError *last = virGetLastError();
    if (last && last->code == VIR_ERR_SYSTEM_ERROR)
        error_hint(&o->err, "is the daemon running?");
}

static struct connection *open_uri(const char *uri, unsigned flags, struct error **err)
{
    if (start_events(err) < 0)
        return NULL;
    at_scope_end(cleanup_opening_handler) struct opening *o = g_atomic_rc_box_new0(struct opening);
    *o = (struct opening){.uri = uri ? xstrdup(uri) : NULL, .flags = flags};
    enum patience end = patience_ask(o, open_it, opening_clear, OPEN_SECONDS, err);
    if (end == PATIENCE_OVER) {
        error_set(err, "cannot connect to libvirt (%s): no answer within %d s",
                  uri ? uri : "default URI", OPEN_SECONDS);
        error_hint(err, "does its daemon hang? virsh waits for it, too");
    }
    if (end == PATIENCE_ANSWERED)
        error_take(err, &o->err);
    if (end != PATIENCE_ANSWERED || !o->handle)
        return NULL;
    struct connection *c = xcalloc(1, sizeof(*c));
    cleanup_free char *name = virConnectGetURI(o->handle);
    *c = (struct connection){TAKE_PTR(o->handle), name && strstr(name, ":///embed") != NULL};
    return c;
}

struct connection *connection_open(const char *uri, struct error **err)
{
    return open_uri(uri, 0, err);
}

struct connection *connection_open_read_only(const char *uri, struct error **err)
{
    return open_uri(uri, VIR_CONNECT_RO, err);
}

/* Up to the first dot: libvirt completes the name by the resolver, gethostname does not. */
static bool same_host(const char *a, const char *b)
{
    size_t length = strcspn(a, ".");
    return length == strcspn(b, ".") && strncmp(a, b, length) == 0;
}

/* Whether both names, which are given as well, are those of one machine; that of the other is NULL
 * where it is not known. */
static bool find_hosts(const struct connection *c, char here[HOST_NAME_MAX + 1], char **ret_there)
{
    here[0] = '\0';
    gethostname(here, HOST_NAME_MAX);
    *ret_there = virConnectGetHostname(c->handle);
    return *ret_there && same_host(here, *ret_there);
}

bool connection_is_local(const struct connection *c)
{
    char here[HOST_NAME_MAX + 1] = "";
    cleanup_free char *there = NULL;
    return find_hosts(c, here, &there);
}

int connection_require_local_qemu(const struct connection *c, struct error **err)
{
    const char *type = virConnectGetType(c->handle);
    if (!type || strcmp(type, "QEMU") != 0)
        return error_set(err, "the hypervisor of this URI is %s, not QEMU",
                         type ? type : "unknown");
    char here[HOST_NAME_MAX + 1] = "";
    cleanup_free char *there = NULL;
    bool local = find_hosts(c, here, &there);
    if (!there)
        return connection_error(err, "libvirt does not tell the host's name");
    if (!local)
        return error_set(err, "the hypervisor is on %s, and the directory on %s", there, here);
    return 0;
}

/* What makes the driver work without a daemon and leave the files of others alone: no virtlogd, no
 * change of owner or label, no cgroup of machined's, and as root, QEMU as root in no namespace. */
static const char *const qemu_conf = "stdio_handler = \"file\"\n"
                                     "dynamic_ownership = 0\n"
                                     "security_driver = \"none\"\n"
                                     "remember_owner = 0\n"
                                     "namespaces = []\n"
                                     "cgroup_controllers = []\n";
static const char *const qemu_conf_root = "user = \"root\"\n"
                                          "group = \"root\"\n";

static int write_configuration(const char *root, struct error **err)
{
    cleanup_free char *etc = xasprintf("%s/etc", root);
    cleanup_free char *path = xasprintf("%s/qemu.conf", etc);
    cleanup_free char *text = xasprintf("%s%s", qemu_conf, geteuid() == 0 ? qemu_conf_root : "");
    if (file_make_directories(etc, err) < 0)
        return -1;
    return file_write_atomic(path, text, err);
}

/* libvirt asks a new QEMU binary what it can do, which takes about a second, and keeps the answer
 * below its root. Only the root is new each time, so the answers live outside. */
static int link_cache(const char *root, const char *cache, struct error **err)
{
    cleanup_free char *link = xasprintf("%s/cache", root);
    if (file_make_directories(cache, err) < 0)
        return -1;
    if (symlink(cache, link) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot create %s", link);
    return 0;
}

struct connection *connection_open_embedded(const char *root, const char *cache, struct error **err)
{
    if (strlen(root) > CONNECTION_ROOT_MAX) {
        error_set(err, "%s is too long a path for sockets below it (more than %d characters)", root,
                  CONNECTION_ROOT_MAX);
        error_hint(err, "as an ordinary user: set XDG_RUNTIME_DIR to a shorter one");
        return NULL;
    }
    if (write_configuration(root, err) < 0 || (cache && link_cache(root, cache, err) < 0) ||
        start_events(err) < 0)
        return NULL;
    cleanup_free char *uri = xasprintf("qemu:///embed?root=%s", root);
    virConnectPtr handle = virConnectOpen(uri);
    if (!handle) {
        connection_error(err, "cannot start libvirt's embedded QEMU driver");
        error_hint(err, "Debian: apt-get install libvirt-daemon-driver-qemu qemu-system-x86");
        return NULL;
    }
    struct connection *c = xcalloc(1, sizeof(*c));
    *c = (struct connection){handle, /* embedded = */ true};
    return c;
}

struct versions connection_versions(const struct connection *c)
{
    struct versions v = {0};
    if (virConnectGetVersion(c->handle, &v.qemu) < 0)
        v.qemu = 0;
    if (virConnectGetLibVersion(c->handle, &v.libvirt) < 0)
        v.libvirt = 0;
    return v;
}

#define SETTLE_SECONDS 5

/* In the event loop's thread, which is in no other callback then. */
static void note_turn(int timer, void *turn)
{
    virEventRemoveTimeout(timer);
    sem_post(turn);
}

bool connection_settle(void)
{
    /* It outlives a wait that was given up. */
    static sem_t turn;
    struct timespec end;
    sem_init(&turn, /* pshared = */ 0, 0);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += SETTLE_SECONDS;
    if (virEventAddTimeout(0, note_turn, &turn, NULL) < 0)
        return false;
    int r;
    while ((r = sem_timedwait(&turn, &end)) < 0 && errno == EINTR)
        ;
    return r == 0;
}

bool connection_is_lost(const struct connection *c)
{
    return virConnectIsAlive(c->handle) == 0;
}

void connection_close(struct connection *c)
{
    if (!c)
        return;
    virConnectClose(c->handle);
    free(c);
}

/* Which right is missing, where libvirt says no for want of one; NULL. */
static const char *missing_right(int code)
{
    switch (code) {
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
        return "the right is polkit's org.libvirt.unix.manage, which root has and the group "
               "libvirt";
    case VIR_ERR_ACCESS_DENIED:
        return "the administrator's rules (polkit, org.libvirt.api.*) do not give you that right";
    case VIR_ERR_OPERATION_DENIED:
        return "the connection is one to look only: use a socket, or a URI, that may change things";
    default:
        return NULL;
    }
}

int connection_error(struct error **err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cleanup_free char *context = xvasprintf(format, args);
    va_end(args);
    virErrorPtr last = virGetLastError();
    const char *right = last ? missing_right(last->code) : NULL;
    error_set(err, "%s: %s", context, last && last->message ? last->message : "unknown");
    return right ? error_hint(err, "%s", right) : -1;
}
