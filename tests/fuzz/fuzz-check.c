/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-check.c - whatever a domain's XML says, every rule can be asked of it, and what it finds is
 * fit to be printed: one line, no graver than its row, a remedy where it says that there is one.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "check/ask.h"
#include "check/combine.h"
#include "check/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_finding(const struct finding *f)
{
    assert(f->rule && f->summary[0] && !strchr(f->summary, '\n'));
    assert(f->severity <= f->rule->severity);
    assert((f->kind == FIX_NONE) == !f->fix);
}

static void check_combined(const struct check_disk *d, const GPtrArray *findings)
{
    cleanup_combined struct combined *c = combine_fixes(d, findings, SEVERITY_NOTE);
    assert(!c || (c->rules->len >= 2 && strstr(c->text, "<driver")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct host_facts facts = {.kernel = 6001, .cpus = 4};
    cleanup_free char *xml = xcalloc(size + 1, 1);
    memcpy(xml, data, size);
    const struct subject_source source = {
        .file = "/x.xml", .xml = xml, .length = size, .live = xml};
    cleanup_check_domain struct check_domain *d = check_domain_new(NULL, &source, NULL);
    if (!d)
        return 0;
    const struct look base = {
        .facts = &facts, .versions = {.qemu = 10000000, .libvirt = 9000000}, .domain = d};
    g_autofree GPtrArray **found = g_new0(GPtrArray *, d->disk_count + 1);
    ask_domain(&base, NULL, found);
    for (size_t i = 0; i <= d->disk_count; i++) {
        for (guint n = 0; n < found[i]->len; n++)
            check_finding(found[i]->pdata[n]);
        if (i)
            check_combined(&d->disks[i - 1], found[i]);
        g_ptr_array_unref(found[i]);
    }
    return 0;
}
