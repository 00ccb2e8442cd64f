/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.c - an agent is opened, and called.
 *
 * libvirt has a limit for an agent's answer, and none for its own: the daemon may be hung, or wait
 * for another client's call of the same agent. And while it waits it looks at no signal. So each
 * call is made by a thread, which is left behind with all that it uses where it does not come back;
 * it ends by itself when libvirt does answer, or with the process.
 */
#include "domain/agent.h"

#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "domain/agent_call.h"
#include "domain/agent_reply.h"

struct agent {
    virDomainPtr domain;
    GHashTable *commands; /* names of those that are enabled; NULL: not asked yet */
    bool silent;
};

/* What a call may take beyond the agent's own limit. libvirt waits for the agent twice, first for a
 * sign of life, and a daemon has five calls of a client at work at a time, so that one may have to
 * wait until others have waited. */
#define GRACE_SECONDS 15

/* --- A call, and the thread that makes it ----------------------------------------------------- */

struct errand {
    virDomainPtr domain;
    char *text; /* the command, JSON */
    int seconds;
    /* What comes of it: one of these. */
    char *reply;
    char *failure;
    int code; /* virErrorNumber, of the failure */
    GMutex lock;
    GCond moved;
    bool done;
    unsigned holders; /* the thread, and who waits for it */
};

static struct errand *new_errand(virDomainPtr domain, const char *text, unsigned seconds)
{
    struct errand *e = xcalloc(1, sizeof(*e));
    virDomainRef(domain);
    *e = (struct errand){
        .domain = domain,
        .text = xstrdup(text),
        .seconds = (int)CLAMP(seconds, 1, G_MAXINT / 2),
        .holders = 1,
    };
    g_mutex_init(&e->lock);
    g_cond_init(&e->moved);
    return e;
}

static void let_go(struct errand *e)
{
    g_mutex_lock(&e->lock);
    bool last = --e->holders == 0;
    g_mutex_unlock(&e->lock);
    if (!last)
        return;
    virDomainFree(e->domain);
    g_mutex_clear(&e->lock);
    g_cond_clear(&e->moved);
    free(e->text);
    free(e->reply);
    free(e->failure);
    free(e);
}

/* Without the words that libvirt has in front of all of its kind; where it lacks the function,
 * these words are all there is. */
static char *failure_text(const virError *last)
{
    const char *words = !last                                            ? NULL
                        : last->str2 && last->code != VIR_ERR_NO_SUPPORT ? last->str2
                                                                         : last->message;
    char *text = xstrdup(words ? words : "unknown");
    text_one_line(text);
    return text;
}

static void *run_errand(void *data)
{
    struct errand *e = data;
    char *reply = virDomainQemuAgentCommand(e->domain, e->text, e->seconds, 0);
    const virError *last = reply ? NULL : virGetLastError();
    g_mutex_lock(&e->lock);
    e->reply = reply;
    e->failure = reply ? NULL : failure_text(last);
    e->code = last ? last->code : 0;
    e->done = true;
    g_cond_broadcast(&e->moved);
    g_mutex_unlock(&e->lock);
    let_go(e);
    return NULL;
}

static int start(struct errand *e, struct error **err)
{
    pthread_t thread;
    e->holders = 2;
    int r = interrupt_start_thread(&thread, run_errand, e);
    if (r) {
        e->holders = 1;
        return error_set_errno(err, r, "cannot start a thread");
    }
    pthread_detach(thread);
    return 0;
}

/* 0 once it is done; -1 with an error where it is not in time, or is interrupted. */
static int wait_for(struct errand *e, enum agent_manners manners, bool *ret_late,
                    struct error **err)
{
    int seconds = e->seconds + (manners == AGENT_INTERRUPTIBLE ? GRACE_SECONDS : 0);
    gint64 end = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    int r = 0;
    g_mutex_lock(&e->lock);
    while (!e->done && r == 0) {
        gint64 now = g_get_monotonic_time();
        *ret_late = now >= end;
        if (*ret_late)
            r = error_set(err, "libvirt does not answer within %d seconds", seconds);
        else if (manners == AGENT_INTERRUPTIBLE)
            r = interrupt_check(err);
        if (r == 0)
            g_cond_wait_until(&e->moved, &e->lock, MIN(end, now + G_TIME_SPAN_SECOND / 10));
    }
    g_mutex_unlock(&e->lock);
    return r;
}

/* --- What a failure means --------------------------------------------------------------------- */

static bool is_silence(int code)
{
#if LIBVIR_CHECK_VERSION(11, 2, 0)
    if (code == VIR_ERR_AGENT_COMMAND_TIMEOUT)
        return true;
#endif
    return code == VIR_ERR_AGENT_UNRESPONSIVE;
}

/* What can be done about it. */
static const struct {
    int code;
    const char *hint;
} hints[] = {
    {VIR_ERR_ARGUMENT_UNSUPPORTED,
     "its devices need <channel type='unix'><target type='virtio' "
     "name='org.qemu.guest_agent.0'/></channel>, and the guest the package qemu-guest-agent"},
    {VIR_ERR_AGENT_UNRESPONSIVE, "is qemu-guest-agent installed in the guest, and running?"},
    {VIR_ERR_OPERATION_DENIED, "asking an agent takes a connection that may change domains"},
};

static void fail_errand(struct agent *a, const struct errand *e, struct error **err)
{
    a->silent = is_silence(e->code);
    error_set(err, "%s", e->failure);
    for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
        if (hints[i].code == e->code)
            error_hint(err, "%s", hints[i].hint);
}

/* --- Calling ---------------------------------------------------------------------------------- */

static json_t *call(struct agent *a, const char *command, const char *text, unsigned seconds,
                    enum agent_manners manners, struct error **err)
{
    struct errand *e = new_errand(a->domain, text, seconds);
    json_t *value = NULL;
    bool late = false;
    if (start(e, err) == 0) {
        if (wait_for(e, manners, &late, err) < 0) {
            a->silent = late;
        } else if (!e->reply) {
            fail_errand(a, e, err);
        } else {
            a->silent = false;
            value = agent_reply_value(e->reply, err);
            if (!value)
                error_prefix(err, "%s", command);
        }
    }
    let_go(e);
    return value;
}

json_t *agent_call_with_manners(struct agent *a, const char *command, json_t *arguments,
                                unsigned timeout_seconds, enum agent_manners manners,
                                struct error **err)
{
    cleanup_json json_t *taken = arguments;
    cleanup_json json_t *object = json_pack("{s:s}", "execute", command);
    if (a->commands && !agent_can(a, command)) {
        error_set(err, "%s is disabled in the guest's agent, or not known there", command);
        return NULL;
    }
    if (taken)
        json_object_set(object, "arguments", taken);
    cleanup_free char *text = json_dumps(object, JSON_COMPACT);
    return call(a, command, text, timeout_seconds, manners, err);
}

json_t *agent_call(struct agent *a, const char *command, json_t *arguments,
                   unsigned timeout_seconds, struct error **err)
{
    return agent_call_with_manners(a, command, arguments, timeout_seconds, AGENT_INTERRUPTIBLE,
                                   err);
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* A guest that is paused answers nobody, and there is no need to wait for that. */
static int require_running(virDomainPtr domain, struct error **err)
{
    int state = VIR_DOMAIN_NOSTATE;
    if (virDomainGetState(domain, &state, NULL, 0) < 0)
        return connection_error(err, "cannot read the domain's state");
    return state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED
               ? 0
               : error_set(err, "the domain %s",
                           state == VIR_DOMAIN_PAUSED ? "is paused" : "does not run");
}

struct agent *agent_open(virDomainPtr domain, struct error **err)
{
    if (require_running(domain, err) < 0)
        return NULL;
    cleanup_agent struct agent *a = xcalloc(1, sizeof(*a));
    virDomainRef(domain);
    a->domain = domain;
    cleanup_json json_t *info = agent_call(a, "guest-info", NULL, AGENT_SECONDS, err);
    a->commands = info ? agent_reply_commands(info, err) : NULL;
    return a->commands ? TAKE_PTR(a) : NULL;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    if (a->commands)
        g_hash_table_unref(a->commands);
    virDomainFree(a->domain);
    free(a);
}

bool agent_can(const struct agent *a, const char *command)
{
    return g_hash_table_contains(a->commands, command);
}

bool agent_is_silent(const struct agent *a)
{
    return a->silent;
}
