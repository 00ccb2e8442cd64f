/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugged.h - disks with known properties for the guest of probe-stage.h, plugged in while it runs.
 *
 * Each is served in an iothread: its timers are good to the nanosecond, those of QEMU's main loop
 * to the millisecond.
 */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "host/claim.h"
#include "measure/pace.h"
#include "probe-stage.h"
#include "probe/plug.h"

static inline void sleep_ms(uint64_t ms)
{
    pace_sleep_until(clock_now_ns() + ms * NS_PER_MS);
}

/* --- Plugging --------------------------------------------------------------------------------- */

/* Plugs them in, all at once, and waits until the guest has them. */
static inline int plugged_all(const struct plug *disks, size_t count, struct error **err)
{
    const char *serials[PLUG_MAX];
    int r = plug_disks(stage->probe, disks, count, err);
    for (size_t i = 0; i < count; i++)
        serials[i] = disks[i].serial;
    /* The guest finds disks when it is asked for them by their serials. */
    for (uint64_t end = clock_now_ns() + 30 * NS_PER_SECOND; !r; sleep_ms(50)) {
        cleanup_error struct error *why = NULL;
        json_t *command = stage_prepare_command(&stage_suite, serials, count);
        cleanup_json json_t *reply = probe_request(stage->probe, command, 60 * NS_PER_SECOND, &why);
        if (reply)
            break;
        if (clock_now_ns() > end)
            r = error_set(err, "%s", why->message);
    }
    return r;
}

/* --- nbdkit ----------------------------------------------------------------------------------- */

/* In the child: also one that is stopped ends with this process. */
static inline void plugged_die_with_parent(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Starts `nbdkit memory` with these arguments, NULL-terminated, on a socket that it waits for. */
static inline int plugged_start_nbdkit(const char *socket, const char *pidfile,
                                       const char *const *arguments, pid_t *ret, struct error **err)
{
    static const char *const size = "size=16M";
    const char *argv[16] = {"nbdkit", "--foreground", "--unix", socket, "--pidfile", pidfile};
    g_autoptr(GError) failure = NULL;
    size_t n = 6;
    while (*arguments && n + 2 < ARRAY_SIZE(argv))
        argv[n++] = *arguments++;
    argv[n] = size;
    if (!g_spawn_async(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
                       plugged_die_with_parent, NULL, ret, &failure))
        return error_set(err, "%s", failure->message);
    /* It writes the file when it listens. */
    for (unsigned i = 0; i < 1000 && access(pidfile, F_OK) < 0; i++) {
        if (waitpid(*ret, NULL, WNOHANG) != 0) {
            *ret = 0;
            return error_set(err, "nbdkit ended at once");
        }
        sleep_ms(10);
    }
    if (access(pidfile, F_OK) < 0)
        return error_set(err, "nbdkit does not listen on %s within 10 s", socket);
    return 0;
}

static inline json_t *plugged_nbd_node(const char *socket)
{
    return json_pack("{s:s, s:{s:s, s:s}}", "driver", "nbd", "server", "type", "unix", "path",
                     socket);
}

/* --- Disks ------------------------------------------------------------------------------------ */

enum { NULL_ZERO, NULL_2MS, NULL_5MS, NULLS };
static const char *const null_serials[] = {"null", "null-2ms", "null-5ms"};
static const uint64_t null_latency_ns[] = {0, 2 * NS_PER_MS, 5 * NS_PER_MS};

#define RATE_BYTES (4 << 20)
#define BURST_SECONDS 0.1 /* of nbdkit; QEMU's throttle has the same by default */

enum { NBD_DELAY, NBD_RATE, NBD_PLAIN, NBDS };
static const char *const nbd_serials[] = {"nbd-delay", "nbd-rate", "nbd-plain"};
static const char *const nbd_arguments[][6] = {
    {"--filter=delay", "memory", "rdelay=2ms", "wdelay=7ms"},
    {"--filter=rate", "memory", "rate=33554432" /* bits */, "burstiness=0.1"},
    {"memory"},
};
static const uint64_t read_delay_ns = 2 * NS_PER_MS, write_delay_ns = 7 * NS_PER_MS;
static pid_t nbdkits[NBDS];
static bool have_nbdkit;

static inline int start_nbdkits(struct error **err)
{
    for (int i = 0; i < NBDS; i++) {
        cleanup_free char *socket = xasprintf("%s/%s", ground.runtime->path, nbd_serials[i]);
        cleanup_free char *pidfile = xasprintf("%s.pid", socket);
        if (plugged_start_nbdkit(socket, pidfile, nbd_arguments[i], &nbdkits[i], err) < 0)
            return -1;
    }
    return 0;
}

static inline int plug(struct error **err)
{
    struct plug disks[PLUG_MAX];
    size_t count = 0;
    for (; count < NULLS; count++)
        disks[count] = (struct plug){null_serials[count],
                                     plug_null_node(STAGE_SIZE, null_latency_ns[count]), true};
    for (size_t i = 0; have_nbdkit && i < NBDS; i++) {
        cleanup_free char *socket = xasprintf("%s/%s", ground.runtime->path, nbd_serials[i]);
        disks[count++] = (struct plug){nbd_serials[i], plugged_nbd_node(socket), true};
    }
    return plugged_all(disks, count, err);
}

static inline int plugged_set_up(void **state)
{
    cleanup_error struct error *err = NULL;
    g_autofree char *nbdkit = g_find_program_in_path("nbdkit");
    have_nbdkit = nbdkit;
    if (stage_set_up(state) < 0)
        return -1;
    if ((have_nbdkit && start_nbdkits(&err) < 0) || plug(&err) < 0) {
        print_message("# %s\n", err->message);
        return -1;
    }
    return 0;
}

static inline int plugged_tear_down(void **state)
{
    int r = stage_tear_down(state);
    for (size_t i = 0; i < NBDS; i++) {
        if (nbdkits[i] <= 0)
            continue;
        kill(nbdkits[i], SIGKILL);
        waitpid(nbdkits[i], NULL, 0);
    }
    return r;
}
