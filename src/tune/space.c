/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/space.h"

#include <string.h>

#include "base/memory.h"
#include "domain/needs.h"
#include "tune/axes.h"
#include "tune/rules.h"

/* --- Widening and narrowing ------------------------------------------------------------------- */

static unsigned all_values(enum space_axis axis)
{
    return (1u << axis_count(axis)) - 1;
}

struct space space_new(void)
{
    struct space s = {.vcpus = 2, .concurrent = true};
    for (int i = 0; i < SPACE_AXES; i++)
        s.values[i] = (1u << axes[i].usual) - 1;
    return s;
}

unsigned space_queues(const struct space *s, const struct disk_config *c)
{
    return c->queues ? c->queues : s->vcpus;
}

int space_vary(struct space *s, const char *list, struct error **err)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);
    unsigned values[SPACE_AXES];
    enum space_axis none;
    /* What g_strsplit makes of an empty string is an empty list. */
    if (!*names)
        return axis_find("", &none, err);
    for (int i = 0; i < SPACE_AXES; i++)
        values[i] = 1;
    for (char **name = names; *name; name++) {
        enum space_axis axis = SPACE_AXES;
        if (axis_find(g_strstrip(*name), &axis, err) < 0)
            return -1;
        values[axis] = all_values(axis);
    }
    memcpy(s->values, values, sizeof(values));
    return 0;
}

int space_fix(struct space *s, const char *list, struct error **err)
{
    g_auto(GStrv) items = g_strsplit(list, ",", -1);
    struct space fixed = *s;
    if (!*items)
        return error_set(err, "'' has to be AXIS=VALUE");
    for (char **item = items; *item; item++) {
        enum space_axis axis = SPACE_AXES;
        unsigned value = 0;
        char *equals = strchr(g_strstrip(*item), '=');
        if (!equals)
            return error_set(err, "'%s' has to be AXIS=VALUE", *item);
        *equals = '\0';
        if (axis_find(*item, &axis, err) < 0 || axis_find_value(axis, equals + 1, &value, err) < 0)
            return -1;
        fixed.values[axis] = 1u << value;
    }
    *s = fixed;
    return 0;
}

/* Which of its values an axis has unless told otherwise, in words; the caller frees. */
static char *usual_text(enum space_axis axis)
{
    unsigned usual = axes[axis].usual;
    if (usual == 1)
        return xstrdup("");
    return usual == axis_count(axis) ? xstrdup("; varied by default")
                                     : xasprintf("; by default the first %u", usual);
}

/* What it takes to change a disk by this axis, in words; the caller frees. */
static char *needs_text(enum space_axis axis)
{
    struct space s = space_new();
    struct disk_config from = {0};
    for (int i = 0; i < SPACE_AXES; i++)
        axes[i].set(&s, /* value = */ i == SPACE_IOTHREAD, &from);
    struct disk_config to = from;
    const struct versions oldest = {1, 1};
    axes[axis].set(&s, axis_count(axis) - 1, &to);
    return disk_needs_to_text(disk_needs(&from, &to, &oldest));
}

char *space_describe(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (int i = 0; i < SPACE_AXES; i++) {
        g_string_append_printf(text, "%-14s", axes[i].name);
        for (unsigned k = 0; k < axis_count((enum space_axis)i); k++)
            g_string_append_printf(text, "%s%s", k ? ", " : "", axes[i].values[k]);
        cleanup_free char *usual = usual_text((enum space_axis)i);
        cleanup_free char *needs = needs_text((enum space_axis)i);
        g_string_append_printf(text, "%s\n%14s%s\n", usual, "", axes[i].what);
        g_string_append_printf(text, "%14schanging it needs: %s\n", "", needs);
    }
    return xstrdup(text->str);
}

/* --- Candidates ------------------------------------------------------------------------------- */

static struct disk_config config_of(const struct space *s, const unsigned *choice)
{
    struct disk_config c = {0};
    for (int i = 0; i < SPACE_AXES; i++)
        axes[i].set(s, choice[i], &c);
    return c;
}

/* "128k", "1m"; for the caller to free. */
static char *short_size(uint64_t bytes)
{
    bool mega = bytes % (1 << 20) == 0;
    return xasprintf("%llu%c", (unsigned long long)bytes >> (mega ? 20 : 10), mega ? 'm' : 'k');
}

static const char *image_word(const struct disk_config *c)
{
    if (strcmp(c->format, "raw") == 0)
        return "raw";
    if (strcmp(c->preallocation, "metadata") == 0)
        return "qcow2-meta";
    return strcmp(c->preallocation, "off") == 0 ? "qcow2" : "qcow2-prealloc";
}

static void append_iothreads(GString *id, const struct space *s, const struct disk_config *c)
{
    if (!c->iothread)
        return;
    if (!c->iothreads)
        g_string_append(id, "-iothread");
    else if (c->iothreads == space_queues(s, c))
        g_string_append(id, "-perqueue");
    else
        g_string_append_printf(id, "-%uiothreads", c->iothreads);
}

/* "raw-native-iothread", "qcow2-prealloc-128k-threads-writeback": what is as usual has no word. */
static char *id_of(const struct space *s, const struct disk_config *c)
{
    g_autoptr(GString) id = g_string_new(image_word(c));
    cleanup_free char *cluster = short_size(c->cluster_bytes);
    if (c->cluster_bytes)
        g_string_append_printf(id, "-%s", cluster);
    g_string_append(id, c->extended_l2 ? "-extended_l2" : "");
    g_string_append(id, c->metadata_cache_bytes ? "-l2full" : "");
    if (strcmp(c->bus, "virtio") != 0)
        g_string_append_printf(id, "-%s", c->bus);
    g_string_append_printf(id, "-%s", c->io);
    append_iothreads(id, s, c);
    if (c->poll_max_ns == DISK_POLL_OFF)
        g_string_append(id, "-nopoll");
    else if (c->poll_max_ns)
        g_string_append_printf(id, "-poll%gus", (double)c->poll_max_ns / 1e3);
    if (strcmp(c->cache, "none") != 0)
        g_string_append_printf(id, "-%s", c->cache);
    if (c->queues)
        g_string_append_printf(id, "-%uqueue%s", c->queues, c->queues > 1 ? "s" : "");
    g_string_append(id, c->discard ? "-discard" : "");
    g_string_append(id, c->detect_zeroes ? "-detect_zeroes" : "");
    return xstrdup(id->str);
}

/* What is no configuration at all: raw has no clusters, and no tables of them. */
static bool exists(const struct disk_config *c)
{
    return strcmp(c->format, "raw") != 0 ||
           (!c->cluster_bytes && !c->extended_l2 && !c->metadata_cache_bytes);
}

/* The next combination that the space has; false behind the last. */
static bool advance(const struct space *s, unsigned *choice)
{
    for (int i = SPACE_AXES - 1; i >= 0; i--) {
        for (choice[i]++; choice[i] < AXIS_VALUES_MAX; choice[i]++)
            if (s->values[i] & 1u << choice[i])
                return true;
        for (choice[i] = 0; !(s->values[i] & 1u << choice[i]);)
            choice[i]++;
    }
    return false;
}

GPtrArray *space_candidates(const struct space *s, const struct candidate_facts *facts)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(candidate_free);
    unsigned choice[SPACE_AXES];
    for (int i = 0; i < SPACE_AXES; i++)
        for (choice[i] = 0; !(s->values[i] & 1u << choice[i]);)
            choice[i]++;
    do {
        struct disk_config config = config_of(s, choice);
        if (!exists(&config))
            continue;
        struct candidate *c = xcalloc(1, sizeof(*c));
        c->config = config;
        c->id = id_of(s, &config);
        c->needs = disk_needs(NULL, &config, &facts->versions);
        c->left_out = rules_against(s, facts, &config);
        g_ptr_array_add(all, c);
    } while (advance(s, choice));
    return all;
}

GPtrArray *candidates_for_new_disk(const struct candidate_facts *facts)
{
    struct space s = space_new();
    return space_candidates(&s, facts);
}
