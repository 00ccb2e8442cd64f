/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/restart.h"

#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "domain/agent.h"
#include "domain/model.h"
#include "domain/xml.h"

#define LOOK_EVERY_MS 250

/* Without an agent, a guest that has read so much has found its disk and runs from it. */
#define SIGN_OF_LIFE_REQUESTS 64
/* And one that crashes does so in its first seconds. */
#define STEADY_SECONDS 5

static void tell(const struct restart_options *o, const char *what)
{
    if (o->tell)
        o->tell(o->data, what);
}

static uint64_t seconds_from_now(double seconds)
{
    return clock_now_ns() + (uint64_t)(seconds * NS_PER_SECOND);
}

static int state_of(virDomainPtr domain, struct error **err)
{
    int state, reason;
    const char *name = virDomainGetName(domain); /* libvirt forgets an error with its next call */
    if (virDomainGetState(domain, &state, &reason, 0) < 0)
        return connection_error(err, "cannot see how %s is", name);
    return state;
}

/* --- Stopping --------------------------------------------------------------------------------- */

/* 1: it is off; 0: not in time. */
static int wait_until_off(virDomainPtr domain, const struct restart_options *o,
                          uint64_t deadline_ns, struct error **err)
{
    for (bool told = false;;) {
        int state = state_of(domain, err);
        if (state < 0)
            return -1;
        if (state == VIR_DOMAIN_SHUTOFF)
            return 1;
        if (state == VIR_DOMAIN_CRASHED)
            return error_set(err, "%s crashed while it was to shut down", virDomainGetName(domain));
        if (clock_now_ns() >= deadline_ns)
            return 0;
        if (!told && interrupt_is_deferred())
            tell(o, "interrupted: the guest is started again first");
        told = interrupt_is_deferred();
        if (interrupt_sleep_ms(LOOK_EVERY_MS, err) < 0)
            return -1;
    }
}

/* What was asked for cannot be taken back: it may go off when nobody is there to start it. */
static int hint_asked(const char *name, struct error **err)
{
    return error_hint(err, "it may shut down yet, and is not started again then: virsh start %s",
                      name);
}

/* 1: it is off; 0: it was asked, and is not in time. An agent that hangs must not eat the time that
 * ACPI needs: it has a third of it. */
static int ask_in_turn(virDomainPtr domain, const struct restart_options *o, struct error **err)
{
    static const struct {
        unsigned flag;
        const char *what;
        double share;
    } ways[] = {
        {VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, "shutting the guest down (agent)", 1.0 / 3},
        {VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, "shutting the guest down (ACPI)", 1},
    };
    const char *name = virDomainGetName(domain);
    uint64_t start = clock_now_ns();
    cleanup_error struct error *refused = NULL;
    bool asked = false;
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        if (virDomainShutdownFlags(domain, ways[i].flag) < 0) {
            connection_error(&refused, "%s cannot be asked to shut down", name);
            continue;
        }
        asked = true;
        tell(o, ways[i].what);
        uint64_t deadline = start + (uint64_t)(ways[i].share * o->seconds * NS_PER_SECOND);
        int off = wait_until_off(domain, o, deadline, err);
        if (off)
            return off < 0 ? hint_asked(name, err) : off;
    }
    /* One that has gone off by then cannot be asked any more either. */
    int off = wait_until_off(domain, o, /* deadline_ns = */ 0, err);
    if (off || asked)
        return off < 0 && asked ? hint_asked(name, err) : off;
    error_take(err, &refused);
    return -1;
}

/* A guest whose CPUs stand still hears nobody. */
static int refuse_paused(const char *name, struct error **err)
{
    error_set(err, "%s is paused, maybe by an I/O error, and cannot shut down", name);
    return error_hint(err,
                      "virsh resume %s, or, which can cost it data, virsh destroy %s and virsh "
                      "start %s, or --force",
                      name, name, name);
}

static int shut_down(virDomainPtr domain, const struct restart_options *o, struct error **err)
{
    const char *name = virDomainGetName(domain);
    int state = state_of(domain, err);
    bool paused = state == VIR_DOMAIN_PAUSED;
    if (state < 0 || (paused && !o->force))
        return state < 0 ? -1 : refuse_paused(name, err);
    int off = paused ? 0 : ask_in_turn(domain, o, err);
    if (off)
        return off < 0 ? -1 : 0;
    if (!o->force) {
        error_set(err, "%s has not shut down within %u s", name, o->seconds);
        return error_hint(
            err,
            "it may do so yet, and is not started again then: virsh start %s; --force "
            "switches it off",
            name);
    }
    tell(o, "switching the guest off");
    if (virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_GRACEFUL) < 0)
        return connection_error(err, "cannot switch %s off", name);
    return 0;
}

/* Between the question and the start, a guest is never left because of one signal. */
int restart_stop(virDomainPtr domain, const struct restart_options *o, struct error **err)
{
    if (interrupt_check(err) < 0)
        return -1;
    interrupt_hold(true);
    int stopped = shut_down(domain, o, err);
    interrupt_hold(false);
    return stopped;
}

/* --- Starting --------------------------------------------------------------------------------- */

int restart_start(virDomainPtr domain, struct error **err)
{
    const char *name = virDomainGetName(domain);
    if (virDomainCreate(domain) < 0)
        return connection_error(err, "%s does not start", name);
    return 0;
}

bool restart_has_agent(virDomainPtr domain)
{
    cleanup_free char *xml = virDomainGetXMLDesc(domain, 0);
    cleanup_xml xmlDocPtr doc = xml ? xml_parse(xml, strlen(xml), NULL) : NULL;
    xmlNodePtr devices = doc ? xml_child(xmlDocGetRootElement(doc), "devices") : NULL;
    for (xmlNodePtr c = xml_child(devices, "channel"); c; c = xml_next(c, "channel")) {
        cleanup_free char *name = xml_attribute(xml_child(c, "target"), "name");
        cleanup_free char *state = xml_attribute(xml_child(c, "target"), "state");
        if (name && state && strcmp(name, "org.qemu.guest_agent.0") == 0)
            return strcmp(state, "connected") == 0;
    }
    return false;
}

/* Requests of all its disks so far. */
static long long count_reads(virDomainPtr domain)
{
    cleanup_free char *xml = virDomainGetXMLDesc(domain, 0);
    cleanup_domain_model struct domain_model *m =
        xml ? domain_model_from_xml(xml, strlen(xml), NULL) : NULL;
    long long all = 0;
    for (size_t i = 0; m && i < m->disk_count; i++) {
        virDomainBlockStatsStruct stats;
        if (virDomainBlockStats(domain, m->disks[i].target, &stats, sizeof(stats)) == 0 &&
            stats.rd_req > 0)
            all += stats.rd_req;
    }
    return all;
}

static int check_runs(virDomainPtr domain, struct error **err)
{
    int state = state_of(domain, err);
    if (state < 0)
        return -1;
    if (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED)
        return 0;
    return error_set(err, "%s does not run any more: it %s", virDomainGetName(domain),
                     state == VIR_DOMAIN_CRASHED  ? "crashed"
                     : state == VIR_DOMAIN_PAUSED ? "is paused, maybe by an I/O error"
                                                  : "ended");
}

int restart_wait(virDomainPtr domain, const struct restart_options *o, const char **ret_how,
                 struct error **err)
{
    unsigned seconds = MAX(o->seconds, STEADY_SECONDS);
    uint64_t steady = seconds_from_now(STEADY_SECONDS), deadline = seconds_from_now(seconds);
    tell(o, "waiting until the guest is back");
    for (;;) {
        if (check_runs(domain, err) < 0)
            return -1;
        cleanup_agent struct agent *agent =
            restart_has_agent(domain) ? agent_open(domain, NULL) : NULL;
        bool late = clock_now_ns() >= deadline;
        bool alive = !agent && (late || !o->agent) && clock_now_ns() >= steady &&
                     count_reads(domain) >= SIGN_OF_LIFE_REQUESTS;
        if (agent || alive) {
            *ret_how = agent ? "its agent answers" : "it reads its disks";
            return 0;
        }
        if (late)
            return error_set(err, "%s is not back after %u s: no agent answers, no disk is read",
                             virDomainGetName(domain), seconds);
        if (interrupt_sleep_ms(LOOK_EVERY_MS, err) < 0)
            return -1;
    }
}
