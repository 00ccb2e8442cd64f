/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/explain.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "report/report.h"
#include "report/table.h"
#include "report/threads.h"

static double us(double ns)
{
    return ns / 1e3;
}

/* Four digits or so. */
static void us_cell(struct table *t, double value)
{
    table_cell(t, fabs(value) < 1000 ? "%.1f" : "%.0f", value);
}

static double half_us(const struct interval *i)
{
    return us((i->high - i->low) / 2);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *interval_json(const struct interval *i)
{
    return json_pack("{s:o, s:o, s:o}", "us", report_number_json(us(i->value)), "low_us",
                     report_number_json(us(i->low)), "high_us", report_number_json(us(i->high)));
}

static json_t *layers_json(const struct explanation *e)
{
    json_t *all = json_array();
    for (size_t i = 0; i < e->layer_count; i++) {
        const struct layer *l = &e->layers[i];
        json_t *layer = interval_json(&l->ns);
        json_object_set_new(layer, "layer", json_string(layer_id(l->kind)));
        json_object_set_new(layer, "share", report_number_json(l->share));
        json_object_set_new(layer, "zero", json_boolean(l->is_zero));
        json_object_set_new(layer, "measured", json_string(l->measured));
        json_array_append_new(all, layer);
    }
    return all;
}

static json_t *effects_json(const struct explanation *e)
{
    json_t *all = json_array();
    for (size_t i = 0; i < e->effect_count; i++) {
        const struct effect *f = &e->effects[i];
        const struct candidate *c = &f->variant->candidate;
        json_t *effect = json_pack("{s:s, s:s, s:o}", "name", c->id, "layer",
                                   layer_id(layer_of_variant(f->variant->role)), "config",
                                   disk_config_to_json(&c->config));
        if (f->failure) {
            json_object_set_new(effect, "failure", report_path_json(f->failure));
        } else {
            json_object_set_new(effect, "request", interval_json(&f->ns));
            json_object_set_new(effect, "change", interval_json(&f->change_ns));
        }
        json_array_append_new(all, effect);
    }
    return all;
}

static json_t *clocks_json(const double values[CLOCKS])
{
    return json_pack("{s:o, s:o, s:o}", "guest", report_number_json(values[CLOCK_GUEST]), "qemu",
                     report_number_json(values[CLOCK_QEMU]), "device",
                     report_number_json(values[CLOCK_DEVICE]));
}

json_t *report_explain_json(const struct explain_report *r)
{
    const struct explanation *e = r->explanation;
    json_t *depth = clocks_json(e->depth);
    json_object_set_new(depth, "set", json_integer(e->in_flight));
    json_t *json =
        json_pack("{s:s?, s:s?, s:o, s:o, s:{s:s, s:o, s:s, s:i}, s:o, s:o, s:s}", "domain",
                  r->domain, "disk", r->disk, "image", report_path_json(r->image), "directory",
                  report_path_json(r->directory), "guest", "accelerator", r->accelerator,
                  "accelerator_note", report_path_json(r->accelerator_note), "kernel", r->kernel,
                  "vcpus", (int)r->vcpus, "config", disk_config_to_json(r->config), "workload",
                  workload_to_json(&r->work->workload), "state",
                  !workload_writes(&r->work->workload) ? "read"
                  : r->fresh                           ? "fresh"
                                                       : "rewrite");
    json_object_set_new(json, "filesystem",
                        e->filesystem ? json_string(e->filesystem) : json_null());
    json_object_set_new(json, "guest_request", interval_json(&e->guest_ns));
    json_object_set_new(json, "host_request", interval_json(&e->host_ns));
    json_object_set_new(json, "depth", depth);
    json_object_set_new(json, "requests_per_request", clocks_json(e->split));
    json_object_set_new(json, "layers", layers_json(e));
    json_object_set_new(json, "variants", effects_json(e));
    json_object_set_new(json, "threads", report_threads_json(r->threads));
    json_object_set_new(json, "rounds", json_integer((json_int_t)e->rounds));
    json_object_set_new(json, "slice_us", json_real((double)r->slice_ns / 1e3));
    json_object_set_new(json, "size_bytes", json_integer((json_int_t)r->size_bytes));
    json_object_set_new(json, "written_bytes", json_integer((json_int_t)r->written_bytes));
    json_object_set_new(json, "seconds", json_real(r->seconds));
    json_object_set_new(json, "interrupted", json_boolean(r->interrupted));
    json_object_set_new(json, "notes", report_strings_json(r->notes));
    json_object_set_new(json, "warnings", report_strings_json(r->warnings));
    return json;
}

/* --- The bar ---------------------------------------------------------------------------------- */

#define COLUMNS 80
#define BAR_COLUMNS (COLUMNS - 4)

static const char marks[LAYERS] = {
    [LAYER_FILESYSTEM] = 's', [LAYER_GUEST] = 'g',  [LAYER_VIRTIO] = 'v', [LAYER_THROTTLE] = 't',
    [LAYER_ALLOCATION] = 'n', [LAYER_KERNEL] = 'k', [LAYER_FORMAT] = 'f', [LAYER_AIO] = 'a',
    [LAYER_CACHE] = 'c',      [LAYER_HOST] = 'h',   [LAYER_DEVICE] = 'd', [LAYER_UNEXPLAINED] = '?',
};

/* A letter a layer, as long as its part of what takes time at all; what is below zero has none.
 * Ends of layers are rounded, and not their lengths: so the whole has its length. */
static void print_bar(const struct explanation *e, FILE *out)
{
    double all = 0, so_far = 0;
    int printed = 0;
    for (size_t i = 0; i < e->layer_count; i++)
        all += fmax(e->layers[i].ns.value, 0);
    fputs("  ", out);
    for (size_t i = 0; i < e->layer_count; i++) {
        so_far += fmax(e->layers[i].ns.value, 0);
        for (int end = (int)lround(so_far / all * BAR_COLUMNS); printed < end; printed++)
            fputc(marks[e->layers[i].kind], out);
    }
    fputs("\n\n", out);
}

/* --- Tables ----------------------------------------------------------------------------------- */

static void print_layers(const struct explanation *e, FILE *out)
{
    static const struct table_column columns[] = {{"", false},     {"layer", false},
                                                  {"µs", true},    {"±", true},
                                                  {"share", true}, {"measured by", false}};
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < e->layer_count; i++) {
        const struct layer *l = &e->layers[i];
        table_cell(t, "%c", marks[l->kind]);
        table_cell(t, "%s", layer_name(l->kind));
        us_cell(t, us(l->ns.value));
        us_cell(t, half_us(&l->ns));
        if (l->is_zero)
            table_cell(t, "≈ 0");
        else
            table_cell(t, "%.1f %%", 100 * l->share);
        table_cell(t, "%s", l->measured);
    }
    table_print(t, out);
}

static void print_effects(const struct explanation *e, FILE *out)
{
    static const struct table_column columns[] = {{"disk beside it", false},
                                                  {"µs", true},
                                                  {"change", true},
                                                  {"±", true},
                                                  {"differs in", false}};
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < e->effect_count; i++) {
        const struct effect *f = &e->effects[i];
        if (f->failure)
            continue;
        table_cell(t, "%s", f->variant->candidate.id);
        us_cell(t, us(f->ns.value));
        if (f->change_ns.low <= 0 && f->change_ns.high >= 0)
            table_cell(t, "≈ 0");
        else
            table_cell(t, "%+.1f", us(f->change_ns.value));
        us_cell(t, half_us(&f->change_ns));
        table_cell(t, "%s", layer_name(layer_of_variant(f->variant->role)));
    }
    table_print(t, out);
}

/* --- Text ------------------------------------------------------------------------------------- */

static void print_head(const struct explain_report *r, FILE *out)
{
    cleanup_free char *work = report_workload_text(&r->work->workload, r->fresh);
    cleanup_free char *driver = disk_config_driver_line(r->config);
    const char *name = r->work->workload.name;
    if (r->domain)
        fprintf(out, "%s of %s, by scratch images in %s\n", r->disk, r->domain, r->directory);
    else
        fprintf(out, "a new disk in %s\n", r->directory);
    report_print_xml(driver, out);
    fprintf(out, "  %s%s%s\n  %s, %u vCPU%s, Linux %s\n", name, *name ? ": " : "", work,
            r->accelerator, r->vcpus, r->vcpus == 1 ? "" : "s", r->kernel);
}

static void print_total(const struct explanation *e, FILE *out)
{
    cleanup_free char *text = xasprintf(
        "A request takes %.1f µs (±%.1f) in the guest%s%s, %.2f times the %.1f µs (±%.1f) that it "
        "takes on the host.",
        us(e->guest_ns.value), half_us(&e->guest_ns), e->filesystem ? ", of a file on " : "",
        e->filesystem ? e->filesystem : "", e->guest_ns.value / e->host_ns.value,
        us(e->host_ns.value), half_us(&e->host_ns));
    fputc('\n', out);
    report_print_wrapped_to(text, 0, COLUMNS, out);
    fputc('\n', out);
}

/* With several in flight a time is no longer what a request costs. */
static void print_depth(const struct explanation *e, FILE *out)
{
    if (e->in_flight == 1)
        return;
    /* A file system on no single device has none. */
    cleanup_free char *device = isfinite(e->depth[CLOCK_DEVICE])
                                    ? xasprintf(", the device %.1f", e->depth[CLOCK_DEVICE])
                                    : NULL;
    cleanup_free char *text = xasprintf(
        "%u requests are in flight, and a time is that in a layer, waiting for the others "
        "included. "
        "On average (time spent there over time passed) the guest's block layer had %.1f of them, "
        "QEMU %.1f%s.",
        e->in_flight, e->depth[CLOCK_GUEST], e->depth[CLOCK_QEMU], device ? device : "");
    fputc('\n', out);
    report_print_wrapped_to(text, 2, COLUMNS, out);
}

static void print_failures(const struct explanation *e, FILE *out)
{
    for (size_t i = 0; i < e->effect_count; i++) {
        const struct effect *f = &e->effects[i];
        cleanup_free char *text =
            f->failure ? xasprintf("not tried: %s: %s", f->variant->candidate.id, f->failure)
                       : NULL;
        if (text)
            report_print_wrapped_to(text, 2, COLUMNS, out);
    }
}

void report_explain_text(const struct explain_report *r, FILE *out)
{
    const struct explanation *e = r->explanation;
    print_head(r, out);
    print_total(e, out);
    print_bar(e, out);
    print_layers(e, out);
    print_depth(e, out);
    fputc('\n', out);
    print_effects(e, out);
    print_failures(e, out);
    if (r->threads->len) {
        fputc('\n', out);
        report_threads_text(r->threads, out);
    }
    report_print_list("Otherwise than fio would", r->notes, out);
    report_print_list("Read these figures with care", r->warnings, out);
}
