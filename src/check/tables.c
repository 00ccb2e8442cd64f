/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/tables.h"

#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "host/tables.h"

/* qemu-img reads on at full speed, on storage that guests work with. More than one, because one
 * image may be on a server that does not answer; two, because on a disk with heads each more has
 * them move between images, and takes from the guests without being faster. */
#define AT_ONCE 2

enum reason { REASON_NONE, REASON_IN_USE, REASON_CLOSED };

struct entry {
    bool begun, done;
    bool device;        /* a block device, which another host may use as well */
    enum reason reason; /* why it was left alone */
    struct image_tables tables;
};

struct tables {
    GHashTable *entries; /* path of a file, without symbolic links → struct entry *, both owned */
    unsigned running;    /* of qemu-img */
    GMutex lock;
    GCond moved; /* any of these changed */
};

static void free_entry(void *data)
{
    struct entry *e = data;
    image_tables_done(&e->tables);
    free(e);
}

struct tables *tables_new(void)
{
    struct tables *t = xcalloc(1, sizeof(*t));
    t->entries = g_hash_table_new_full(g_str_hash, g_str_equal, free, free_entry);
    g_mutex_init(&t->lock);
    g_cond_init(&t->moved);
    return t;
}

void tables_free(struct tables *t)
{
    if (!t)
        return;
    g_hash_table_unref(t->entries);
    g_cond_clear(&t->moved);
    g_mutex_clear(&t->lock);
    free(t);
}

/* --- One image -------------------------------------------------------------------------------- */

/* Without a secret QEMU does not open what is encrypted. A data file is named by the header alone:
 * that is no reason to open it. With lazy reference counts an image that was not closed looks
 * damaged, and is not: the next start counts them anew. */
static enum reason reason_against(const struct check_domain *d, const struct image *i)
{
    if (d->running || i->dirty)
        return REASON_IN_USE;
    return i->encryption || i->data_file ? REASON_CLOSED : REASON_NONE;
}

/* Waits for a tenth of a second, or until something has moved; false after a signal. Under the
 * lock. */
static bool wait_a_moment(struct tables *t)
{
    g_cond_wait_until(&t->moved, &t->lock, g_get_monotonic_time() + G_TIME_SPAN_SECOND / 10);
    return interrupt_check(NULL) == 0;
}

/* The lock is left while qemu-img runs: the entry stays where it is. */
static void read_entry(struct tables *t, struct entry *e, const struct place *p)
{
    struct image_tables read;
    e->begun = true;
    e->device = p->type == PLACE_BLOCK;
    t->running++;
    g_mutex_unlock(&t->lock);
    bool done = image_tables_read(p->path, p->type == PLACE_BLOCK, &read, NULL) == 0;
    g_mutex_lock(&t->lock);
    t->running--;
    e->done = done;
    e->tables = read;
    e->reason = read.in_use ? REASON_IN_USE : REASON_NONE;
    g_cond_broadcast(&t->moved);
}

/* The entry of a file. Under the lock. */
static struct entry *entry_of(struct tables *t, const char *path)
{
    struct entry *e = g_hash_table_lookup(t->entries, path);
    if (!e) {
        e = xcalloc(1, sizeof(*e));
        g_hash_table_insert(t->entries, xstrdup(path), e);
    }
    return e;
}

/* Under the lock. */
static void look_at(struct tables *t, const struct check_domain *d, struct check_image *i)
{
    struct entry *e = entry_of(t, i->place->path);
    enum reason reason = reason_against(d, &i->header);
    if (reason && !e->begun)
        e->reason = reason;
    if (reason)
        return;
    bool on = interrupt_check(NULL) == 0;
    while (on && (e->begun ? !e->done : t->running >= AT_ONCE))
        on = wait_a_moment(t);
    if (on && !e->begun)
        read_entry(t, e, i->place);
    if (e->done && !e->reason)
        i->tables = &e->tables;
}

void tables_look(struct tables *t, struct check_domain *d)
{
    g_mutex_lock(&t->lock);
    for (size_t n = 0; n < d->disk_count; n++) {
        GPtrArray *images = d->disks[n].images;
        for (guint k = 0; k < images->len; k++) {
            struct check_image *i = images->pdata[k];
            if (i->place && strcmp(i->header.format, "qcow2") == 0)
                look_at(t, d, i);
        }
    }
    g_mutex_unlock(&t->lock);
}

/* --- What was left alone ---------------------------------------------------------------------- */

static unsigned count(const struct tables *t, enum reason reason)
{
    unsigned n = 0;
    GHashTableIter all;
    gpointer entry;
    g_hash_table_iter_init(&all, t->entries);
    while (g_hash_table_iter_next(&all, NULL, &entry))
        n += ((const struct entry *)entry)->reason == reason;
    return n;
}

static bool is_doubtful(const struct entry *e)
{
    return e->device && e->done && !e->reason && (e->tables.corruptions || e->tables.leaks);
}

char *tables_doubt(struct tables *t)
{
    bool doubt = false;
    GHashTableIter all;
    gpointer entry;
    g_mutex_lock(&t->lock);
    g_hash_table_iter_init(&all, t->entries);
    while (!doubt && g_hash_table_iter_next(&all, NULL, &entry))
        doubt = is_doubtful(entry);
    g_mutex_unlock(&t->lock);
    if (!doubt)
        return NULL;
    return xstrdup("Of a block device it is not seen here whether another host uses it: then its "
                   "image only looks damaged.");
}

char *tables_left_alone(struct tables *t)
{
    g_mutex_lock(&t->lock);
    unsigned in_use = count(t, REASON_IN_USE), closed = count(t, REASON_CLOSED);
    g_mutex_unlock(&t->lock);
    if (!in_use && !closed)
        return NULL;
    g_autoptr(GString) text = g_string_new("The tables of some images were not read:");
    if (in_use)
        g_string_append_printf(text, " %u in use", in_use);
    if (closed)
        g_string_append_printf(text, "%s %u encrypted, or with a data file", in_use ? "," : "",
                               closed);
    return xasprintf("%s.", text->str);
}
