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
    for (int i = 0; i < SPACE_AXES; i++) {
        s.values[i] = (1u << axes[i].usual) - 1;
        s.varied |= axes[i].usual > 1 ? 1u << i : 0;
    }
    return s;
}

unsigned space_queues(const struct space *s, const struct disk_config *c)
{
    return c->queues ? c->queues : s->vcpus;
}

int space_vary(struct space *s, const char *list, struct error **err)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);
    unsigned values[SPACE_AXES], varied = 0;
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
        varied |= 1u << axis;
    }
    memcpy(s->values, values, sizeof(values));
    s->varied = varied;
    s->fixed = 0;
    s->named = true;
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
        fixed.fixed |= 1u << axis;
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

/* What is kept of a current disk that has become another need not make sense any more. */
static void drop_pointless(const struct space *s, unsigned kept, struct disk_config *c)
{
    static const enum space_axis of_qcow2[] = {SPACE_CLUSTER, SPACE_EXTENDED_L2, SPACE_L2_CACHE};
    bool raw = strcmp(c->format, "raw") == 0;
    for (size_t i = 0; raw && i < ARRAY_SIZE(of_qcow2); i++)
        if (kept & 1u << of_qcow2[i])
            axes[of_qcow2[i]].set(s, 0, c);
    if (!c->iothread && kept & 1u << SPACE_POLL)
        axes[SPACE_POLL].set(s, 0, c);
}

static struct disk_config config_of(const struct space *s, unsigned kept, const unsigned *choice)
{
    struct disk_config c = {0};
    if (s->current)
        c = *s->current;
    for (int i = 0; i < SPACE_AXES; i++)
        if (choice[i] < axis_count((enum space_axis)i))
            axes[i].set(s, choice[i], &c);
    drop_pointless(s, kept, &c);
    return c;
}

/* "128k", "1m"; for the caller to free. */
static char *short_size(uint64_t bytes)
{
    unsigned long long number = bytes;
    if (number % 1024)
        return xasprintf("%llu", number);
    bool mega = number % (1 << 20) == 0;
    return xasprintf("%llu%c", number >> (mega ? 20 : 10), mega ? 'm' : 'k');
}

static void append_image(GString *id, const struct disk_config *c)
{
    static const struct {
        const char *format, *preallocation, *word;
    } words[] = {{"qcow2", "off", "qcow2"},
                 {"qcow2", "falloc", "qcow2-prealloc"},
                 {"qcow2", "metadata", "qcow2-meta"},
                 {"raw", "falloc", "raw"},
                 {"raw", "off", "raw-sparse"}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(c->format, words[i].format) != 0 ||
            strcmp(c->preallocation, words[i].preallocation) != 0)
            continue;
        g_string_append(id, words[i].word);
        return;
    }
    g_string_append_printf(id, "%s-%s", c->format, c->preallocation);
}

static void append_l2_cache(GString *id, const struct space *s, const struct disk_config *c)
{
    cleanup_free char *size = short_size(c->metadata_cache_bytes);
    if (!c->metadata_cache_bytes)
        return;
    if (c->metadata_cache_bytes == disk_config_full_cache_bytes(c, s->disk_bytes))
        g_string_append(id, "-l2full");
    else
        g_string_append_printf(id, "-cache%s", size);
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
    g_autoptr(GString) id = g_string_new(NULL);
    append_image(id, c);
    cleanup_free char *cluster = short_size(c->cluster_bytes);
    if (c->cluster_bytes)
        g_string_append_printf(id, "-%s", cluster);
    g_string_append(id, c->extended_l2 ? "-extended_l2" : "");
    append_l2_cache(id, s, c);
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
        for (choice[i]++; choice[i] < AXIS_PLACES; choice[i]++)
            if (s->values[i] & 1u << choice[i])
                return true;
        for (choice[i] = 0; !(s->values[i] & 1u << choice[i]);)
            choice[i]++;
    }
    return false;
}

static void add(GPtrArray *all, const struct space *s, const struct candidate_facts *facts,
                const struct disk_config *config, bool current)
{
    struct candidate *c = xcalloc(1, sizeof(*c));
    c->config = *config;
    c->current = current;
    c->id = current ? xstrdup("current") : id_of(s, config);
    c->needs = current ? 0 : disk_needs(s->current, config, &facts->versions);
    c->left_out = rules_against(s, facts, config, current);
    g_ptr_array_add(all, c);
}

static void add_combinations(GPtrArray *all, const struct space *s, unsigned kept,
                             const struct candidate_facts *facts)
{
    unsigned choice[SPACE_AXES];
    for (int i = 0; i < SPACE_AXES; i++)
        for (choice[i] = 0; !(s->values[i] & 1u << choice[i]);)
            choice[i]++;
    do {
        struct disk_config config = config_of(s, kept, choice);
        if (exists(&config) && !(s->current && disk_config_equal(&config, s->current)))
            add(all, s, facts, &config, /* current = */ false);
    } while (advance(s, choice));
}

/* --- Around a disk that there is -------------------------------------------------------------- */

void space_start_from(struct space *s, const struct disk_config *current)
{
    s->current = current;
}

struct disk_config space_normal_form(const struct space *s, const struct disk_config *current)
{
    struct disk_config c = *current;
    c.queues = c.queues == s->unasked_queues ? 0 : c.queues;
    c.iothreads = c.iothreads > 1 ? c.iothreads : 0;
    c.poll_max_ns = c.iothread && c.poll_max_ns != DISK_POLL_DEFAULT_NS ? c.poll_max_ns : 0;
    c.cluster_bytes = c.cluster_bytes == DISK_CLUSTER_DEFAULT ? 0 : c.cluster_bytes;
    if (strcmp(c.format, "raw") == 0) {
        c.cluster_bytes = 0;
        c.extended_l2 = false;
        c.metadata_cache_bytes = 0;
    }
    return c;
}

/* Gives the axes the values of the current disk, and returns which of them have no other. */
static unsigned keep_current(struct space *s)
{
    unsigned kept = 0;
    for (int i = 0; i < SPACE_AXES; i++) {
        unsigned axis = 1u << i;
        bool varied =
            s->varied & axis && (i != SPACE_IMAGE || s->named || s->allow_image_conversion);
        if (s->fixed & axis)
            continue;
        if (!varied) {
            kept |= axis;
            s->values[i] = 0;
        }
        s->values[i] |= 1u << axis_place_of((enum space_axis)i, s, s->current);
    }
    if (kept & 1u << SPACE_CACHE && !disk_config_is_direct(s->current))
        s->values[SPACE_CACHE] |= 1;
    return kept;
}

GPtrArray *space_candidates(const struct space *s, const struct candidate_facts *facts)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(candidate_free);
    if (!s->current) {
        add_combinations(all, s, /* kept = */ 0, facts);
        return all;
    }
    struct space around = *s;
    struct disk_config current = space_normal_form(s, s->current);
    around.current = &current;
    unsigned kept = keep_current(&around);
    add(all, &around, facts, &current, /* current = */ true);
    add_combinations(all, &around, kept, facts);
    return all;
}

GPtrArray *candidates_for_new_disk(const struct candidate_facts *facts)
{
    struct space s = space_new();
    return space_candidates(&s, facts);
}
