/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "measure/named.h"

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
        {"workload", 'w', 0, G_OPTION_ARG_STRING, &o->workload,
         "The work by its name, or several: a:2,b counts a twice", "LIST"},
        {"fio", 0, 0, G_OPTION_ARG_FILENAME, &o->fio, "Do the jobs of this fio file", "FILE"},
        {"list-workloads", 0, 0, G_OPTION_ARG_NONE, &o->list, "List the names of workloads", NULL},
        {"rw", 0, 0, G_OPTION_ARG_STRING, &o->rw, "read, write, randread, randwrite, rw or randrw",
         "DIRECTION"},
        {"rwmixread", 0, 0, G_OPTION_ARG_STRING, &o->read_percent,
         "Reads among the requests of rw and randrw [50]", "PERCENT"},
        {"block", 0, 0, G_OPTION_ARG_STRING, &o->block, "Size of a request", "SIZE"},
        {"depth", 0, 0, G_OPTION_ARG_STRING, &o->depth, "Requests in flight of each job", "N"},
        {"jobs", 0, 0, G_OPTION_ARG_STRING, &o->jobs, "Threads that do the work at a time", "N"},
        {"zeros", 0, 0, G_OPTION_ARG_NONE, &o->zeros, "Write zeros, not incompressible data", NULL},
        /* The last one. */
        {"fresh", 0, 0, G_OPTION_ARG_NONE, &o->fresh, "Measure first writes, not rewrites", NULL},
    };
    g_array_append_vals(all, entries, ARRAY_SIZE(entries) - o->rewrites);
}

static void add_guest(GArray *all, struct guest_options *o)
{
    const GOptionEntry entries[] = {
        {"accel", 0, 0, G_OPTION_ARG_STRING, &o->accelerator,
         "kvm, tcg or auto: KVM if a guest boots under it [auto]", "NAME"},
        {"vcpus", 0, 0, G_OPTION_ARG_STRING, &o->vcpus, "vCPUs of the probe guest [2]", "N"},
        {"kernel", 0, 0, G_OPTION_ARG_FILENAME, &o->kernel, "Kernel of the probe guest", "FILE"},
        {"emulator", 0, 0, G_OPTION_ARG_FILENAME, &o->emulator, "QEMU binary", "FILE"},
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

static int finished(void)
{
    cleanup_error struct error *err = NULL;
    return finish_output(&err) < 0 ? fail(err) : EXIT_DONE;
}

static void list_workloads(void)
{
    for (size_t i = 0; i < named_workload_count; i++)
        printf("%-10s %s\n", named_workloads[i].workload.name, named_workloads[i].summary);
    for (size_t i = 0; i < named_mix_count; i++)
        printf("%-10s %s\n", named_mixes[i].name, named_mixes[i].summary);
    exit(finished());
}

/* Does not return. GLib would print it by itself, and not notice that it could not. */
static void print_help(GOptionContext *context)
{
    char *text = g_option_context_get_help(context, TRUE, NULL);
    fputs(text, stdout);
    g_free(text);
    exit(finished());
}

int options_refuse_json(const struct common_options *common, const char *option, struct error **err)
{
    return common->json ? error_set(err, "%s prints text: it does not go with --json", option) : 0;
}

int options_parse(int argc, char **argv, const char *summary, const GOptionEntry *own,
                  struct common_options *common, struct workload_options *workload,
                  struct guest_options *guest, struct operand *operand, struct error **err)
{
    g_autofree char *synopsis = g_strdup_printf("%s- %s", operand ? operand->name : "", summary);
    g_autoptr(GOptionContext) context = g_option_context_new(synopsis);
    g_autoptr(GError) gerror = NULL;
    g_autofree char *program = g_strdup_printf("virt-disktune %s", argv[0]);
    g_set_prgname(program);
    g_autoptr(GArray) all = g_array_new(/* zero_terminated = */ TRUE, FALSE, sizeof(*own));
    for (; own->long_name; own++)
        g_array_append_val(all, *own);
    if (workload)
        add_workload(all, workload);
    if (guest)
        add_guest(all, guest);
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
    if (workload && workload->list) {
        if (options_refuse_json(common, "--list-workloads", err) < 0)
            return -1;
        list_workloads();
    }
    if (argc > 1 && operand) {
        operand->value = argv[1];
        operand->values = argv + 1;
        operand->count = (size_t)argc - 1;
    }
    int most = !operand ? 1 : operand->many ? argc : 2;
    if (argc > most) {
        error_set(err, "what is '%s'? %s takes %s", argv[most], program,
                  operand ? "one argument" : "options only");
        return error_hint(err, "%s --help lists the options", program);
    }
    return 0;
}

char **options_spread(int *argc, char **argv, const char *const *names)
{
    GPtrArray *all = g_ptr_array_new();
    const char *option = NULL; /* that the next words are values of */
    bool first = false;        /* the next one stands behind it already */
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            for (; i < *argc; i++)
                g_ptr_array_add(all, argv[i]);
            break;
        }
        bool is_option = argv[i][0] == '-' && !first;
        if (is_option)
            option = g_strv_contains(names, argv[i]) ? argv[i] : NULL;
        else if (option && !first)
            g_ptr_array_add(all, (gpointer)option);
        first = is_option && option;
        g_ptr_array_add(all, argv[i]);
    }
    *argc = (int)all->len;
    g_ptr_array_add(all, NULL);
    return (char **)g_ptr_array_free(all, FALSE);
}

/* --- Values ----------------------------------------------------------------------------------- */

/* No file is larger, and what is added to a size does not wrap. */
#define SIZE_MAX_BYTES (UINT64_C(1) << 62)

int option_size(const char *option, const char *value, uint64_t *ret, struct error **err)
{
    uint64_t size = 0;
    if (!value)
        return 0;
    if (text_parse_size(value, &size, err) < 0)
        return error_prefix(err, "%s", option);
    if (size > SIZE_MAX_BYTES)
        return error_set(err, "%s: '%s' is more than any file holds", option, value);
    *ret = size;
    return 0;
}

int option_image_size(const char *option, const char *value, uint64_t *ret, struct error **err)
{
    const uint64_t mib = UINT64_C(1) << 20;
    uint64_t size = *ret;
    if (option_size(option, value, &size, err) < 0)
        return -1;
    size = (size + mib - 1) / mib * mib;
    if (size < 4 * mib)
        return error_set(err, "%s: has to be at least 4M and 16 requests", option);
    *ret = size;
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

int option_percent(const char *option, const char *value, double min, double max, double *ret,
                   struct error **err)
{
    char *end;
    if (!value)
        return 0;
    double percent = g_ascii_isdigit(value[0]) ? g_ascii_strtod(value, &end) : NAN;
    if (!isfinite(percent) || strcmp(end[0] == '%' ? end + 1 : end, "") != 0)
        return error_set(err, "%s: '%s' is not a percentage", option, value);
    if (percent < min || percent > max)
        return error_set(err, "%s: %s is out of range (%g to %g)", option, value, min, max);
    *ret = percent;
    return 0;
}

int option_duration(const char *option, const char *value, uint64_t *ret_ns, struct error **err)
{
    if (value && text_parse_duration(value, ret_ns, err) < 0)
        return error_prefix(err, "%s", option);
    return 0;
}

/* The direction, and the share of reads that goes with it unless told otherwise. */
static int apply_direction(const struct workload_options *o, struct workload *w, struct error **err)
{
    uint64_t percent = 50;
    if (option_number("--rwmixread", o->read_percent, 0, 100, &percent, err) < 0)
        return -1;
    if (o->rw) {
        if (workload_rw_parse(o->rw, &w->rw, err) < 0)
            return error_prefix(err, "--rw");
        w->read_percent = workload_rw_read_percent(w->rw);
    }
    if (!o->read_percent)
        return 0;
    if (!workload_rw_is_mix(w->rw))
        return error_set(err, "--rwmixread goes with --rw rw or --rw randrw");
    w->read_percent = (unsigned)percent;
    return 0;
}

static int apply_block(const struct workload_options *o, struct workload *w, struct error **err)
{
    uint64_t block = w->block_bytes;
    if (!o->block)
        return 0;
    if (option_size("--block", o->block, &block, err) < 0)
        return -1;
    if (block > WORKLOAD_BLOCK_MAX)
        return error_set(err, "block size %" PRIu64 ": it has to be at most 16 MiB", block);
    w->block_bytes = (uint32_t)block;
    w->size_count = 0;
    return 0;
}

bool options_change_workload(const struct workload_options *o)
{
    return o->rw || o->block || o->depth || o->jobs || o->read_percent || o->zeros;
}

int options_check_fresh(const struct workload_options *o, const struct workload *w,
                        struct error **err)
{
    if (o->fresh && !workload_writes(w))
        return error_set(err, "--fresh is about writes, and this work only reads");
    return 0;
}

int options_workload(const struct workload_options *o, struct workload *ret, struct error **err)
{
    const struct workload *named = named_workload(o->workload ? o->workload : "dd", err);
    if (!named)
        return error_prefix(err, "--workload");
    struct workload w = *named;
    uint64_t depth = w.depth, jobs = w.jobs;
    if (apply_direction(o, &w, err) < 0 || apply_block(o, &w, err) < 0 ||
        option_number("--depth", o->depth, 1, WORKLOAD_DEPTH_MAX, &depth, err) < 0 ||
        option_number("--jobs", o->jobs, 1, WORKLOAD_JOBS_MAX, &jobs, err) < 0)
        return -1;
    w.depth = (unsigned)depth;
    w.jobs = (unsigned)jobs;
    w.zeros = o->zeros;
    if (options_change_workload(o))
        w.name[0] = '\0';
    if (options_check_fresh(o, &w, err) < 0 || workload_check(&w, err) < 0)
        return -1;
    *ret = w;
    return 0;
}

int options_guest(const struct guest_options *o, struct guest_choice *ret, struct error **err)
{
    uint64_t vcpus = sysconf(_SC_NPROCESSORS_ONLN) < 2 ? 1 : 2;
    enum accelerator accelerator = ACCELERATOR_AUTO;
    if (option_number("--vcpus", o->vcpus, 1, PROBE_VCPUS_MAX, &vcpus, err) < 0)
        return -1;
    if (o->accelerator && accelerator_parse(o->accelerator, &accelerator, err) < 0)
        return error_prefix(err, "--accel");
    *ret = (struct guest_choice){accelerator, (unsigned)vcpus};
    return 0;
}
