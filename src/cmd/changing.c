/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "apply/change.h"
#include "apply/effective.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "cmd/apply.h"
#include "domain/edit.h"

/* --- Options ---------------------------------------------------------------------------------- */

int changing_parse(struct changing *c, struct error **err)
{
    const struct changing_options *o = c->options;
    c->wait_ns = 120 * NS_PER_SECOND;
    if (option_duration("--wait", o->wait, &c->wait_ns, err) < 0)
        return -1;
    if (c->wait_ns < NS_PER_SECOND || c->wait_ns > 24 * 3600 * NS_PER_SECOND)
        return error_set(err, "--wait: has to be from 1 s to 24 h");
    if (o->force && !o->restart)
        return error_set(err, "--force is for --restart");
    if (o->yes && o->dry_run)
        return error_set(err, "--yes and --dry-run contradict each other");
    return 0;
}

void changing_split(const char *operand, char **ret_domain, char **ret_target)
{
    const char *slash = strchr(operand, '/');
    *ret_domain = slash ? xasprintf("%.*s", (int)(slash - operand), operand) : xstrdup(operand);
    *ret_target = slash && slash[1] ? xstrdup(slash + 1) : NULL;
}

void changing_name(struct changing *c)
{
    virDomainGetUUIDString(c->domain, c->uuid);
    c->report.domain = virDomainGetName(c->domain);
    c->report.uuid = c->uuid;
}

/* --- Asking ----------------------------------------------------------------------------------- */

/* One line of standard input, as it is typed; NULL at its end or after a signal. */
static char *read_answer(struct error **err)
{
    struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = interrupt_fd(), .events = POLLIN}};
    char line[16];
    while (poll(wait, ARRAY_SIZE(wait), -1) < 0 && errno == EINTR)
        ;
    if (interrupt_check(err) < 0)
        return NULL;
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
    return n <= 0 ? xstrdup("") : strndup(line, (size_t)n);
}

static int ask(const struct apply_report *r, const char *question, bool *ret, struct error **err)
{
    fprintf(stderr, "%s%s [y/N] ", r->diff, question);
    fflush(stderr);
    cleanup_free char *answer = read_answer(err);
    if (!answer)
        return -1;
    g_strstrip(answer);
    *ret = g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0;
    return 0;
}

int changing_confirm(struct changing *c, const char *question, bool *ret_go, struct error **err)
{
    *ret_go = c->options->yes;
    if (c->options->dry_run)
        c->report.state = APPLY_SHOWN;
    if (c->options->yes || c->options->dry_run)
        return 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        error_set(err, "there is no terminal to ask on");
        return error_hint(err, "--yes goes on without asking, --dry-run shows what would change");
    }
    if (ask(&c->report, question, ret_go, err) < 0)
        return -1;
    if (!*ret_go)
        c->report.state = APPLY_DECLINED;
    return 0;
}

/* --- Restarting ------------------------------------------------------------------------------- */

static struct restart_options restart_options(struct changing *c)
{
    return (struct restart_options){
        .seconds = (unsigned)(c->wait_ns / NS_PER_SECOND),
        .force = c->options->force,
        .agent = virDomainIsActive(c->domain) == 1 && restart_has_agent(c->domain),
        .tell = progress_step,
        .data = &c->progress,
    };
}

/* Takes what failed into the report: it is the answer, and no error. */
static void take_failure(struct changing *c, struct error **failure)
{
    free(c->report.failure);
    c->report.failure = xstrdup(*failure ? (*failure)->message : "unknown error");
}

static bool looks_right(struct changing *c)
{
    struct apply_report *r = &c->report;
    cleanup_free char *live = virDomainGetXMLDesc(c->domain, 0);
    r->differences = live ? effective_differences(live, r->target) : NULL;
    if (!r->differences || !r->differences->len)
        return true;
    free(r->failure);
    r->failure = xstrdup(r->differences->pdata[0]);
    return false;
}

int changing_restart(struct changing *c, bool *ret_came, struct error **err)
{
    bool running = virDomainIsActive(c->domain) == 1;
    struct restart_options o = restart_options(c);
    cleanup_error struct error *failure = NULL;
    *ret_came = true;
    c->report.state = running ? APPLY_PENDING : APPLY_DEFINED;
    if (!running || !c->options->restart)
        return 0;
    if (restart_stop(c->domain, &o, err) < 0)
        return error_prefix(err, "the definition is changed, and %s is not restarted",
                            c->report.domain);
    bool started = restart_start(c->domain, &failure) == 0;
    *ret_came = started && restart_wait(c->domain, &o, &c->report.back, &failure) == 0;
    progress_clear(&c->progress);
    /* One that does not start is not left so because of a signal. */
    if (started && interrupt_check(err) < 0)
        return error_prefix(err, "the definition is changed, and %s was started", c->report.domain);
    if (!*ret_came)
        take_failure(c, &failure);
    else if (looks_right(c))
        c->report.state = APPLY_EFFECTIVE;
    else
        *ret_came = false;
    return 0;
}

/* A guest that is not back would not shut down either: it is left to run, unless it may be forced.
 */
static int restart_as_before(struct changing *c, struct error **err)
{
    const struct restart_options o = restart_options(c);
    const char *how;
    if (virDomainIsActive(c->domain) == 1 && restart_stop(c->domain, &o, err) < 0)
        return error_prefix(err,
                            "the change was taken back, and comes to an end with the next cold "
                            "start");
    if (restart_start(c->domain, err) < 0 || restart_wait(c->domain, &o, &how, err) < 0)
        return error_prefix(err, "the change was taken back, and all the same");
    return 0;
}

/* Others need not wait until the domain is back. */
static int take_back(struct changing *c, struct change_record *r, struct error **err)
{
    g_autoptr(GPtrArray) left = NULL;
    cleanup_close int lock = change_records_lock(c->state_directory, err);
    cleanup_free char *now = lock < 0 ? NULL : change_read(c->domain, err);
    cleanup_free char *without = now ? edit_undo(now, r->edits, &left, err) : NULL;
    if (!without || change_take_back(c->domain, r, now, without, c->report.left, err) < 0)
        return -1;
    for (guint i = 0; i < left->len; i++)
        g_ptr_array_add(c->report.left, xstrdup(left->pdata[i]));
    return 0;
}

int changing_roll_back(struct changing *c, struct change_record *r, struct error **err)
{
    if (take_back(c, r, err) < 0)
        return -1;
    int done = restart_as_before(c, err);
    progress_clear(&c->progress);
    return done;
}

/* --- The end ---------------------------------------------------------------------------------- */

int changing_print(const struct changing *c, struct error **err)
{
    const struct apply_report *r = &c->report;
    if (c->common->json) {
        cleanup_json json_t *json = report_apply_json(r);
        if (finish_json(json, err) < 0)
            return EXIT_CANNOT;
    } else if (!c->common->quiet || r->state == APPLY_SHOWN) {
        report_apply_text(r, stdout);
    }
    if (finish_output(err) < 0)
        return EXIT_CANNOT;
    return r->state == APPLY_ROLLED_BACK || r->state == APPLY_DECLINED ? EXIT_NO : EXIT_DONE;
}

void changing_done(struct changing *c)
{
    apply_report_done(&c->report);
    if (c->domain)
        virDomainFree(c->domain);
    connection_close(c->connection);
    free(c->state_directory);
}
