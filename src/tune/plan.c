/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/plan.h"

#include <glib.h>
#include <libgen.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

/* --- The change ------------------------------------------------------------------------------- */

static void set_string(json_t *set, const char *key, const char *from, const char *to)
{
    if (strcmp(from, to) != 0)
        json_object_set_new(set, key, json_string(to));
}

static void set_number(json_t *set, const char *key, int64_t from, int64_t to, bool counts)
{
    if (counts && from != to)
        json_object_set_new(set, key, json_integer(to));
}

/* What differs: first the driver's attributes, then what apply leaves to the user. Queues of 0 are
 * those that a disk has unasked. */
static json_t *changes(const struct disk_config *from, const struct disk_config *to)
{
    json_t *set = json_object();
    set_string(set, "bus", from->bus, to->bus);
    set_string(set, "cache", from->cache, to->cache);
    set_string(set, "io", from->io, to->io);
    set_string(set, "discard", from->discard ? "unmap" : "ignore",
               to->discard ? "unmap" : "ignore");
    set_string(set, "detect_zeroes", disk_config_detect_zeroes(from),
               disk_config_detect_zeroes(to));
    /* A list of several is left to the user, as is what stands in its place. */
    if (from->iothread != to->iothread && from->iothreads <= 1)
        json_object_set_new(set, "iothread", to->iothread ? json_string("new") : json_null());
    if (from->queues != to->queues)
        json_object_set_new(set, "queues", to->queues ? json_integer(to->queues) : json_null());
    set_number(set, "iothreads", disk_config_iothreads(from), disk_config_iothreads(to),
               from->iothreads > 1 || to->iothreads > 1);
    if (from->poll_max_ns != to->poll_max_ns)
        json_object_set_new(set, "poll_max_ns", json_integer((int64_t)disk_config_poll_ns(to)));
    set_number(set, "metadata_cache_bytes", (int64_t)from->metadata_cache_bytes,
               (int64_t)to->metadata_cache_bytes, true);
    return set;
}

/* What is to be done to the image, which nobody does for the user. */
static json_t *commands(const struct disk_config *from, const struct disk_config *to)
{
    json_t *all = json_array();
    cleanup_free char *line = disk_config_convert_line(from, to);
    if (line)
        json_array_append_new(all, json_string(line));
    return all;
}

/* --- The plan --------------------------------------------------------------------------------- */

json_t *plan_new(const struct plan_parts *p)
{
    char now[32];
    time_t seconds = time(NULL);
    struct tm tm;
    strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    return json_pack("{s:i, s:s, s:s, s:s?, s:{s:s, s:s?}, s:s, s:s, s:o, s:o, s:o, s:o, s:O, s:O}",
                     "plan", PLAN_FORMAT, "version", VERSION, "created", now, "uri", p->uri,
                     "domain", "name", p->name, "uuid", p->uuid, "target", p->target, "disk_sha256",
                     p->disk_sha256, "current", disk_config_to_json(p->current), "chosen",
                     disk_config_to_json(p->chosen), "set", changes(p->current, p->chosen),
                     "commands", commands(p->current, p->chosen), "needs", p->needs, "evidence",
                     p->evidence);
}

int plan_write(json_t *plan, const char *path, struct error **err)
{
    cleanup_free char *parent = xstrdup(path);
    cleanup_free char *text = json_dumps(plan, JSON_INDENT(2));
    cleanup_free char *line = xasprintf("%s\n", text);
    if (file_make_directories(dirname(parent), err) < 0 || file_write_atomic(path, line, err) < 0)
        return error_prefix(err, "the plan");
    return 0;
}

char *plan_default_path(const char *state_directory, const char *uuid, const char *target)
{
    cleanup_free char *name = xasprintf("%s-%s", uuid, target);
    text_plain_name(name);
    return xasprintf("%s/plans/%s.json", state_directory, name);
}

json_t *plan_read(const char *path, struct error **err)
{
    size_t length;
    int format = 0;
    const char *name, *target, *hash;
    json_t *set;
    cleanup_free char *text = file_read(path, &length, err);
    if (!text)
        return NULL;
    cleanup_json json_t *plan = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (json_unpack(plan, "{s:i}", "plan", &format) < 0) {
        error_set(err, "%s is no plan", path);
        return NULL;
    }
    if (format != PLAN_FORMAT) {
        error_set(err, "%s is a plan of format %d, which this version does not know", path, format);
        return NULL;
    }
    if (json_unpack(plan, "{s:{s:s}, s:s, s:s, s:o}", "domain", "name", &name, "target", &target,
                    "disk_sha256", &hash, "set", &set) < 0 ||
        !json_is_object(set)) {
        error_set(err, "%s is a plan with something missing", path);
        return NULL;
    }
    return TAKE_PTR(plan);
}
