/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-model.c - a domain's XML is refused with an error, or becomes a model in which what has to
 * be there is there.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "domain/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pins(const struct domain_pin *pins, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert(pins[i].cpuset);
}

static void check_disk(const struct domain_model *m, const struct domain_disk *d)
{
    const struct disk_config *c = &d->config;
    assert(d->type && d->device && strlen(d->hash) == 64);
    assert(c->bus && c->format && c->cache && c->io && strcmp(c->preallocation, "off") == 0);
    assert(c->iothread == (d->iothread != 0));
    cleanup_free char *line = disk_config_driver_line(c);
    assert(line);
    if (d->target)
        assert(domain_model_disk(m, d->target, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_error struct error *err = NULL;
    cleanup_domain_model struct domain_model *m =
        domain_model_from_xml((const char *)data, size, &err);
    assert(!m == !!err);
    if (!m)
        return 0;
    assert(m->name && *m->name);
    check_pins(m->vcpu_pins, m->vcpu_pin_count);
    check_pins(m->iothread_pins, m->iothread_pin_count);
    for (size_t i = 0; i < m->disk_count; i++)
        check_disk(m, &m->disks[i]);
    const struct domain_disk *only = domain_model_disk(m, NULL, &err);
    assert(!only == !!err);
    return 0;
}
