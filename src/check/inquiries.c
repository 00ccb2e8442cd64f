/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inquiries.c - many inquiries: threads that run them, and one that takes their answers in order.
 *
 * Reading a domain waits for libvirt, and for storage that may be far away: so there are more
 * threads than that need a processor. What is answered and not taken yet is bounded, because one
 * image on a server that is gone holds up all answers behind it.
 */
#include "check/inquiry.h"

#include <libxml/parser.h>
#include <pthread.h>

#include "base/interrupt.h"
#include "base/memory.h"

#define THREADS 8
#define AHEAD 256

struct queue {
    const struct inquirer *who;
    const GPtrArray *inquiries;
    struct answer **answers; /* of each, NULL until it is there */
    guint next;              /* that no thread has begun */
    guint taken;             /* answers */
    guint threads;           /* that are not at their end */
    bool stopped;            /* no other is to be begun */
    GMutex lock;
    GCond moved; /* any of these changed */
};

/* Waits until there is one to begin; false where there will be none. Under the lock. */
static bool next_inquiry(struct queue *q, guint *ret)
{
    while (!q->stopped && q->next < q->inquiries->len && q->next >= q->taken + AHEAD)
        g_cond_wait(&q->moved, &q->lock);
    if (q->stopped || q->next >= q->inquiries->len)
        return false;
    *ret = q->next++;
    return true;
}

static void *run_inquiries(void *data)
{
    struct queue *q = data;
    guint i;
    g_mutex_lock(&q->lock);
    while (next_inquiry(q, &i)) {
        g_mutex_unlock(&q->lock);
        struct answer *a = inquiry_run(q->who, q->inquiries->pdata[i]);
        g_mutex_lock(&q->lock);
        q->answers[i] = a;
        g_cond_broadcast(&q->moved);
    }
    q->threads--;
    g_cond_broadcast(&q->moved);
    g_mutex_unlock(&q->lock);
    return NULL;
}

static int require_connection(const struct inquirer *who, struct error **err)
{
    return who->connection && connection_is_lost(who->connection)
               ? error_set(err, "the connection to libvirt was lost")
               : 0;
}

/* Whether it is worth while to wait for an answer. Of several threads that ask a daemon which hangs
 * libvirt 9.0 tells one that the connection is lost, and the others wait on. */
static int go_on(const struct inquirer *who, struct error **err)
{
    return interrupt_check(err) < 0 ? -1 : require_connection(who, err);
}

/* The next answer in order; NULL with an error where the wait was interrupted. */
static struct answer *take_answer(struct queue *q, struct error **err)
{
    struct answer *a = NULL;
    int r = 0;
    g_mutex_lock(&q->lock);
    /* Also where there is one: a signal may have cut short what it was to say. */
    while ((r = go_on(q->who, err)) == 0 && !q->answers[q->taken])
        g_cond_wait_until(&q->moved, &q->lock, g_get_monotonic_time() + G_TIME_SPAN_SECOND / 10);
    if (r == 0) {
        a = TAKE_PTR(q->answers[q->taken]);
        q->taken++;
    }
    g_cond_broadcast(&q->moved);
    g_mutex_unlock(&q->lock);
    return a;
}

static void stop(struct queue *q)
{
    g_mutex_lock(&q->lock);
    q->stopped = true;
    g_cond_broadcast(&q->moved);
    g_mutex_unlock(&q->lock);
}

static void free_queue(struct queue *q)
{
    for (guint i = 0; i < q->inquiries->len; i++)
        answer_free(q->answers[i]);
    free(q->answers);
    g_cond_clear(&q->moved);
    g_mutex_clear(&q->lock);
    free(q);
}

/* Waits until the threads are gone. After an interruption not for long: one that waits for a server
 * that does not answer is left behind, with all that it uses, and ends with the process. */
static bool join_threads(struct queue *q, bool interrupted)
{
    gint64 end = g_get_monotonic_time() + G_TIME_SPAN_SECOND;
    bool gone = true;
    g_mutex_lock(&q->lock);
    while (q->threads && gone)
        if (interrupted)
            gone = g_cond_wait_until(&q->moved, &q->lock, end);
        else
            g_cond_wait(&q->moved, &q->lock);
    g_mutex_unlock(&q->lock);
    return gone;
}

static int start_threads(struct queue *q, struct error **err)
{
    for (guint i = 0; i < MIN(THREADS, q->inquiries->len); i++) {
        pthread_t thread;
        g_mutex_lock(&q->lock);
        q->threads++;
        g_mutex_unlock(&q->lock);
        int r = interrupt_start_thread(&thread, run_inquiries, q);
        if (r == 0) {
            pthread_detach(thread);
            continue;
        }
        g_mutex_lock(&q->lock);
        q->threads--;
        g_mutex_unlock(&q->lock);
        return i ? 0 : error_set_errno(err, r, "cannot start a thread");
    }
    return 0;
}

int inquiries_run(const struct inquirer *who, const GPtrArray *inquiries,
                  void (*done)(void *data, const struct answer *a), void *data, struct error **err)
{
    struct queue *q = xcalloc(1, sizeof(*q));
    *q = (struct queue){.who = who, .inquiries = inquiries};
    q->answers = xcalloc(inquiries->len + 1, sizeof(struct answer *));
    g_mutex_init(&q->lock);
    g_cond_init(&q->moved);
    /* libxml2 does it at its first use, which two threads must not have at once. */
    xmlInitParser();
    int r = start_threads(q, err);
    for (guint i = 0; i < inquiries->len && r == 0; i++) {
        struct answer *a = take_answer(q, err);
        r = a ? require_connection(who, err) : -1;
        if (r == 0 && !a->gone)
            done(data, a);
        answer_free(a);
    }
    stop(q);
    if (join_threads(q, /* interrupted = */ r < 0))
        free_queue(q);
    return r;
}
