/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_guest.h"

#include "base/json.h"
#include "base/memory.h"
#include "check/guest.h"
#include "domain/agent.h"
#include "explain/live_device.h"

struct live_guest {
    struct agent *agent; /* NULL: it says nothing */
    GPtrArray *names;    /* of the guest's devices, by the report's disks; NULL where not known */
};

/* /proc/diskstats of a guest with hundreds of disks. */
#define DISKSTATS_MAX (1 << 20)

static void silence(struct live_report *report, const char *why, const char *hint)
{
    for (guint i = 0; i < report->disks->len; i++) {
        struct live_disk *d = report->disks->pdata[i];
        if (d->guest.why)
            continue;
        live_boundary_unknown(&d->guest, "%s", why);
        d->guest.hint = hint ? xstrdup(hint) : NULL;
    }
}

static void find_name(struct live_guest *g, const struct check_domain *d, size_t i,
                      struct live_disk *disk)
{
    const struct guest_disk *found = d->disks[i].guest;
    g_ptr_array_add(g->names, found ? xstrdup(found->name) : NULL);
    if (found) {
        free(disk->guest.name);
        disk->guest.name = xasprintf("guest %s", found->name);
    } else {
        live_boundary_unknown(&disk->guest, "%s",
                              d->guest->unread
                                  ? d->guest->unread
                                  : "it is not clear which of the guest's disks it is");
        disk->guest.hint = d->guest->remedy ? xstrdup(d->guest->remedy) : NULL;
    }
}

struct live_guest *live_guest_open(virDomainPtr domain, const char *live, struct check_domain *d,
                                   struct live_report *report)
{
    cleanup_error struct error *err = NULL;
    struct live_guest *g = xcalloc(1, sizeof(*g));
    g->names = g_ptr_array_new_with_free_func(free);
    guest_look(domain, live, d);
    if (d->guest->silent) {
        silence(report, d->guest->silent, d->guest->hint);
        return g;
    }
    for (guint i = 0; i < report->disks->len; i++)
        find_name(g, d, i, report->disks->pdata[i]);
    g->agent = agent_open(domain, &err);
    if (!g->agent)
        silence(report, err->message, err->hint);
    return g;
}

/* Agents before QEMU 7.1 have no command for it, and may be asked for the kernel's file. */
static int ask(struct live_guest *g, json_t **ret_list, char **ret_text, struct error **err)
{
    if (agent_can(g->agent, "guest-get-diskstats"))
        *ret_list = agent_call(g->agent, "guest-get-diskstats", NULL, AGENT_SECONDS, err);
    else if (agent_can(g->agent, "guest-file-open"))
        *ret_text = agent_read_file(g->agent, "/proc/diskstats", DISKSTATS_MAX, NULL, err);
    else
        return error_set(err, "guest-get-diskstats and guest-file-open are disabled in the guest's "
                              "agent, or not known there");
    return *ret_list || *ret_text ? 0 : -1;
}

void live_guest_read(struct live_guest *g, struct live_report *report, bool after)
{
    cleanup_error struct error *err = NULL;
    cleanup_json json_t *list = NULL;
    cleanup_free char *text = NULL;
    if (!g->agent)
        return;
    if (ask(g, &list, &text, &err) < 0) {
        silence(report, err->message, err->hint);
        return;
    }
    for (guint i = 0; i < report->disks->len; i++) {
        struct live_boundary *b = &((struct live_disk *)report->disks->pdata[i])->guest;
        struct live_counts *to = after ? &b->after : &b->before;
        const char *name = g->names->pdata[i];
        if (!b->why &&
            (list ? live_device_of_agent(list, name, to) : live_device_of_list(text, name, to)) < 0)
            live_boundary_unknown(b, "the guest tells no statistics of %s", name);
    }
}

void live_guest_free(struct live_guest *g)
{
    if (!g)
        return;
    agent_free(g->agent);
    g_ptr_array_unref(g->names);
    free(g);
}
