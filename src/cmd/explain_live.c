/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain_live.c - virt-disktune explain --live: the running guest's own requests.
 */
#include "base/clock.h"
#include "base/json.h"
#include "cmd/apply.h"
#include "cmd/explain.h"
#include "domain/lookup.h"
#include "explain/live_domain.h"
#include "report/live.h"

/* Who may only look sees all but the guest's side. The first error counts where that is not to be
 * had either. */
static struct connection *connect_somehow(const char *uri, bool histograms, struct error **err)
{
    struct connection *c = connection_open(uri, err);
    if (c)
        return c;
    c = connection_open_read_only(uri, NULL);
    if (!c)
        return NULL;
    if (histograms) {
        connection_close(c);
        error_hint(err, "--histograms take a connection that may change domains");
        return NULL;
    }
    if (err) {
        error_free(*err);
        *err = NULL;
    }
    return c;
}

static int print(const struct live_report *r, bool as_json, struct error **err)
{
    if (as_json) {
        cleanup_json json_t *json = report_live_json(r);
        return finish_json(json, err);
    }
    report_live_text(r, stdout);
    return finish_output(err);
}

static int observe(struct connection *c, const char *name, const struct live_options *o,
                   bool as_json, struct error **err)
{
    struct progress *p = o->data;
    cleanup_domain virDomainPtr domain = lookup_domain(c, name, err);
    cleanup_live_report struct live_report *r = domain ? live_observe(c, domain, o, err) : NULL;
    progress_clear(p);
    return r && print(r, as_json, err) == 0 ? EXIT_DONE : -1;
}

int explain_live(const struct explain_live_options *o, const struct common_options *common,
                 const char *operand, struct error **err)
{
    cleanup_free char *name = NULL, *target = NULL;
    struct progress progress = {.options = common};
    struct live_options live = {
        .runtime_ns = 10 * NS_PER_SECOND,
        .histograms = o->histograms,
        .tell = progress_show,
        .data = &progress,
    };
    if (!operand)
        return error_set(err, "which domain?");
    if (option_duration("--runtime", o->runtime, &live.runtime_ns, err) < 0)
        return -1;
    if (live.runtime_ns < NS_PER_SECOND / 2 || live.runtime_ns > 24 * 3600 * NS_PER_SECOND)
        return error_set(err, "--runtime: has to be from 500 ms to 24 h");
    changing_split(operand, &name, &target);
    live.target = target;
    cleanup_connection struct connection *c = connect_somehow(common->connect, o->histograms, err);
    return c ? observe(c, name, &live, common->json, err) : -1;
}
