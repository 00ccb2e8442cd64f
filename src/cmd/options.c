/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* --- The tables ------------------------------------------------------------------------------- */

static void add_common(GArray *all, struct common_options *o)
{
    const GOptionEntry entries[] = {
        {"connect", 'c', 0, G_OPTION_ARG_STRING, &o->connect, "Connect to this libvirt URI", "URI"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &o->json, "Print one JSON object", NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &o->quiet, "No progress", NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &o->verbose, "Say each step on standard error",
         NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &o->help, "List these options", NULL},
    };
    g_array_append_vals(all, entries, ARRAY_SIZE(entries));
}

static void add_workload(GArray *all, struct workload_options *o)
{
    const GOptionEntry entries[] = {
        {"rw", 0, 0, G_OPTION_ARG_STRING, &o->rw,
         "read, write, randread, randwrite, rw or randrw [write]", "DIRECTION"},
        {"rwmixread", 0, 0, G_OPTION_ARG_STRING, &o->read_percent,
         "Reads among the requests of rw and randrw [50]", "PERCENT"},
        {"block", 0, 0, G_OPTION_ARG_STRING, &o->block, "Size of a request [64k]", "SIZE"},
        {"depth", 0, 0, G_OPTION_ARG_STRING, &o->depth, "Requests in flight [1]", "N"},
        {"zeros", 0, 0, G_OPTION_ARG_NONE, &o->zeros, "Write zeros, not incompressible data",
         NULL},
        {"fresh", 0, 0, G_OPTION_ARG_NONE, &o->fresh, "Measure first writes, not rewrites", NULL},
    };
    g_array_append_vals(all, entries, ARRAY_SIZE(entries));
}

/* --- Parsing ---------------------------------------------------------------------------------- */

/* GLib takes "--fresh=no" for --fresh. */
static int check_flags(int argc, char **argv, const GOptionEntry *entries, struct error **err)
{
    for (; entries->long_name; entries++) {
        g_autofree char *with_value = g_strdup_printf("--%s=", entries->long_name);
        for (int i = 1; i < argc && entries->arg == G_OPTION_ARG_NONE; i++)
            if (g_str_has_prefix(argv[i], with_value))
                return error_set(err, "%s: --%s takes no value", argv[i], entries->long_name);
    }
    return 0;
}

/* Does not return. GLib would print it by itself, and not notice that it could not. */
static void print_help(GOptionContext *context)
{
    cleanup_error struct error *err = NULL;
    char *text = g_option_context_get_help(context, TRUE, NULL);
    fputs(text, stdout);
    g_free(text);
    exit(finish_output(&err) < 0 ? fail(err) : EXIT_DONE);
}

int options_parse(int argc, char **argv, const char *summary, const GOptionEntry *own,
                  struct common_options *common, struct workload_options *workload,
                  struct error **err)
{
    g_autofree char *synopsis = g_strdup_printf("- %s", summary);
    g_autoptr(GOptionContext) context = g_option_context_new(synopsis);
    g_autoptr(GError) gerror = NULL;
    g_autofree char *program = g_strdup_printf("virt-disktune %s", argv[0]);
    g_set_prgname(program);
    g_autoptr(GArray) all = g_array_new(/* zero_terminated = */ TRUE, FALSE, sizeof(*own));
    for (; own->long_name; own++)
        g_array_append_val(all, *own);
    if (workload)
        add_workload(all, workload);
    add_common(all, common);
    const GOptionEntry *entries = (const GOptionEntry *)(void *)all->data;
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (check_flags(argc, argv, entries, err) < 0)
        return error_hint(err, "%s --help lists the options", program);
    if (!g_option_context_parse(context, &argc, &argv, &gerror)) {
        error_set(err, "%s", gerror->message);
        return error_hint(err, "%s --help lists the options", program);
    }
    if (common->help)
        print_help(context);
    if (argc > 1) {
        error_set(err, "what is '%s'? %s takes options only", argv[1], program);
        return error_hint(err, "%s --help lists the options", program);
    }
    return 0;
}

/* --- Values ----------------------------------------------------------------------------------- */

int option_size(const char *option, const char *value, uint64_t *ret, struct error **err)
{
    if (value && text_parse_size(value, ret, err) < 0)
        return error_prefix(err, "%s", option);
    return 0;
}

int option_directory(char **path, struct error **err)
{
    char *absolute = realpath(*path, NULL);
    if (!absolute)
        return error_set_errno(err, errno, "cannot open the directory %s", *path);
    g_free(*path);
    *path = absolute;
    return 0;
}

int option_number(const char *option, const char *value, uint64_t min, uint64_t max, uint64_t *ret,
                  struct error **err)
{
    if (value && text_parse_number(value, min, max, ret, err) < 0)
        return error_prefix(err, "%s", option);
    return 0;
}

int option_duration(const char *option, const char *value, uint64_t *ret_ns, struct error **err)
{
    if (value && text_parse_duration(value, ret_ns, err) < 0)
        return error_prefix(err, "%s", option);
    return 0;
}

int options_workload(const struct workload_options *o, struct workload *ret, struct error **err)
{
    struct workload w = workload_dd;
    uint64_t block = w.block_bytes, depth = w.depth, read_percent = 50;
    if (o->rw && workload_rw_parse(o->rw, &w.rw, err) < 0)
        return error_prefix(err, "--rw");
    if (option_size("--block", o->block, &block, err) < 0 ||
        option_number("--depth", o->depth, 1, WORKLOAD_DEPTH_MAX, &depth, err) < 0 ||
        option_number("--rwmixread", o->read_percent, 0, 100, &read_percent, err) < 0)
        return -1;
    bool mix = w.rw == WORKLOAD_RW || w.rw == WORKLOAD_RANDRW;
    bool reads = w.rw == WORKLOAD_READ || w.rw == WORKLOAD_RANDREAD;
    if (o->read_percent && !mix)
        return error_set(err, "--rwmixread goes with --rw rw or --rw randrw");
    w.read_percent = mix ? (unsigned)read_percent : reads ? 100 : 0;
    if (block > WORKLOAD_BLOCK_MAX)
        return error_set(err, "block size %" PRIu64 ": it has to be at most 16 MiB", block);
    w.block_bytes = (uint32_t)block;
    w.depth = (unsigned)depth;
    w.zeros = o->zeros;
    if (o->fresh && !workload_writes(&w))
        return error_set(err, "--fresh is about writes, and this work only reads");
    if (workload_check(&w, err) < 0)
        return -1;
    *ret = w;
    return 0;
}
