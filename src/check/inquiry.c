/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/inquiry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "check/guest.h"
#include "domain/lookup.h"

/* --- What is asked ---------------------------------------------------------------------------- */

static struct inquiry *make(const struct inquiry *what)
{
    struct inquiry *i = xcalloc(1, sizeof(*i));
    *i = *what;
    return i;
}

struct inquiry *inquiry_of_domain(virDomainPtr domain)
{
    return make(&(struct inquiry){.domain = domain});
}

struct inquiry *inquiry_of_file(const char *path)
{
    return make(&(struct inquiry){.file = xstrdup(path)});
}

struct inquiry *inquiry_of_image(const char *path)
{
    return make(&(struct inquiry){.image = xstrdup(path)});
}

void inquiry_free(struct inquiry *i)
{
    if (!i)
        return;
    if (i->domain)
        virDomainFree(i->domain);
    free(i->file);
    free(i->live);
    free(i->was);
    free(i->image);
    free(i);
}

/* --- What is read ----------------------------------------------------------------------------- */

static char *volume_path(void *data, const char *pool, const char *volume, struct error **err)
{
    return lookup_volume_path(data, pool, volume, err);
}

/* The same as a capture has it, where it has; NULL without an error means that it was not looked
 * up. */
static char *captured_volume_path(void *data, const char *pool, const char *volume,
                                  struct error **err)
{
    cleanup_free char *key = xasprintf("%s/%s", pool, volume);
    const json_t *found = json_object_get(data, key);
    const char *path = json_string_value(json_object_get(found, "path"));
    const char *why = json_string_value(json_object_get(found, "error"));
    if (!path && why)
        error_set(err, "%s", why);
    return path ? xstrdup(path) : NULL;
}

static struct check_domain *read_domain(const struct inquirer *who, const struct inquiry *what,
                                        struct error **err)
{
    cleanup_free char *next = NULL, *live = NULL;
    struct subject_source source = {.volume_path = volume_path, .data = (void *)who->connection};
    if (lookup_xml(what->domain, &next, &live, &source.persistent, err) < 0)
        return NULL;
    source.xml = next;
    source.length = strlen(next);
    source.live = live;
    struct check_domain *d = check_domain_new(who->host, &source, err);
    if (d && live && who->guests)
        guest_look(what->domain, live, d);
    return d;
}

/* A pipe, as in <(virsh dumpxml web), is read to its end; a FIFO that nobody writes to is empty. A
 * capture's files are looked up below its root, as all of it is: no link leads out. */
static char *read_text(const struct inquirer *who, const struct inquiry *what, const char *path,
                       size_t *ret_length, struct error **err)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    cleanup_close int fd =
        what->captured ? root_openat(who->host->root, path, flags) : open(path, flags);
    if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0) {
        error_set_errno(err, errno, "cannot open %s", path);
        return NULL;
    }
    return file_read_rest(fd, path, ret_length, err);
}

static struct check_domain *read_file(const struct inquirer *who, const struct inquiry *what,
                                      struct error **err)
{
    size_t length;
    cleanup_free char *xml = read_text(who, what, what->file, &length, err);
    cleanup_free char *live = what->live ? read_text(who, what, what->live, NULL, NULL) : NULL;
    struct subject_source source = {
        .file = what->captured ? what->was : what->file,
        .xml = xml,
        .length = length,
        .live = live,
        .persistent = true,
        .volume_path = who->connection ? volume_path : NULL,
        .data = (void *)who->connection,
    };
    if (what->captured) {
        source.volume_path = captured_volume_path;
        source.data = (void *)who->volumes;
    }
    return xml ? check_domain_new(who->host, &source, err) : NULL;
}

/* An image that is not there is a disk that was not read, and here it is all there is. */
static struct check_domain *read_image(const struct inquirer *who, const struct inquiry *what,
                                       struct error **err)
{
    const char *format = image_guess_format(who->host->root, what->image);
    cleanup_check_domain struct check_domain *d =
        check_domain_of_image(who->host, what->image, format, err);
    if (d && !d->disks[0].place) {
        error_set(err, "%s", d->disks[0].unread);
        return NULL;
    }
    return TAKE_PTR(d);
}

/* --- What comes of it ------------------------------------------------------------------------- */

/* Found here, where it is known, and not by looking. */
static void find_nothing(const struct look *at, struct found *out)
{
    (void)at, (void)out;
}

static const struct rule rows[] = {
    {
        .id = "unreadable",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_ERROR,
        .title = "the domain, or the file, could not be read",
        .why = "Nothing is known of its disks.",
        .source = "this host",
        .look = find_nothing,
    },
};
RULE_TABLE(rules_reading, rows);

/* In the place of a domain that could not be read. */
static struct check_domain *unread_domain(const struct inquiry *what)
{
    struct check_domain *d = xcalloc(1, sizeof(*d));
    if (what->domain)
        d->name = xstrdup(virDomainGetName(what->domain));
    if (what->file)
        d->file = xstrdup(what->file);
    return d;
}

static void say_unread(struct answer *a, const struct look *at, const struct error *err)
{
    struct found out = {.rule = &rows[0], .at = at, .findings = a->findings[0]};
    struct finding *f = found_say(&out, "%s", err->message);
    if (err->hint)
        finding_fix(f, FIX_ADVICE, "%s", err->hint);
}

struct answer *inquiry_run(const struct inquirer *who, const struct inquiry *what)
{
    cleanup_error struct error *err = NULL;
    struct answer *a = xcalloc(1, sizeof(*a));
    a->image = what->image;
    a->domain = what->domain ? read_domain(who, what, &err)
                : what->file ? read_file(who, what, &err)
                             : read_image(who, what, &err);
    if (!a->domain)
        a->domain = unread_domain(what);
    else if (who->tables)
        tables_look(who->tables, a->domain);
    const struct look at = {
        .facts = who->host ? who->host->facts : NULL,
        .versions = who->versions,
        .domain = a->domain,
    };
    a->gone = err && what->listed && lookup_is_gone(what->domain);
    a->findings = xcalloc(a->domain->disk_count + 1, sizeof(*a->findings));
    if (err) {
        a->findings[0] = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
        if (!ask_is_skipped(&rows[0], who->skip))
            say_unread(a, &at, err);
    } else {
        ask_domain(&at, who->skip, a->findings);
    }
    return a;
}

void answer_free(struct answer *a)
{
    if (!a)
        return;
    for (size_t i = 0; i <= a->domain->disk_count; i++)
        g_ptr_array_unref(a->findings[i]);
    free(a->findings);
    check_domain_free(a->domain);
    free(a);
}
