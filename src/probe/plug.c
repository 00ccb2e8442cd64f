/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plug.c - disks are the functions of one slot: QEMU tells the guest of all of them once function 0
 * is there, which is why that comes last.
 */
#include "probe/plug.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "probe/qmp.h"

/* A command whose answer says nothing; `arguments` is taken over. */
static int tell(struct probe *p, const char *command, json_t *arguments, struct error **err)
{
    cleanup_json json_t *done =
        qmp(p, json_pack("{s:s, s:o}", "execute", command, "arguments", arguments), err);
    return done ? 0 : error_prefix(err, "%s", command);
}

/* The bus that a slot is free on, and in *ret_slot its number there. Machines with PCI Express have
 * root ports of one slot each, and libvirt leaves some to spare; older ones one bus, whose last
 * slots are nobody's. The caller frees; NULL for none. */
static char *find_slot(struct probe *p, unsigned *ret_slot)
{
    cleanup_json json_t *buses = qmp(p, json_pack("{s:s}", "execute", "query-pci"), NULL);
    json_t *device, *devices = json_object_get(json_array_get(buses, 0), "devices");
    size_t i;
    bool express = false, last = false;
    json_array_foreach (devices, i, device) {
        json_t *bridge = json_object_get(device, "pci_bridge");
        const char *name = json_string_value(json_object_get(device, "qdev_id"));
        last |= json_integer_value(json_object_get(device, "slot")) == 0x1e;
        express |= bridge != NULL;
        *ret_slot = 0;
        if (bridge && name && name[0] && json_array_size(json_object_get(bridge, "devices")) == 0)
            return xstrdup(name);
    }
    *ret_slot = 0x1e;
    return devices && !express && !last ? xstrdup("pci.0") : NULL;
}

static int add_disk(struct probe *p, const char *bus, unsigned slot, const struct plug *disk,
                    unsigned function, struct error **err)
{
    cleanup_free char *address = xasprintf("0x%x.0x%x", slot, function);
    cleanup_free char *thread = xasprintf("thread-%s", disk->serial);
    json_object_set_new(disk->node, "node-name", json_string(disk->serial));
    if (tell(p, "blockdev-add", json_incref(disk->node), err) < 0)
        return -1;
    json_t *device = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "driver", "virtio-blk-pci",
                               "id", disk->serial, "drive", disk->serial, "serial", disk->serial,
                               "bus", bus, "addr", address, "multifunction", 1);
    if (disk->iothread) {
        json_object_set_new(device, "iothread", json_string(thread));
        json_t *object = json_pack("{s:s, s:s}", "qom-type", "iothread", "id", thread);
        if (disk->poll_max_ns)
            json_object_set_new(
                object, "poll-max-ns",
                json_integer(disk->poll_max_ns == DISK_POLL_OFF ? 0 : disk->poll_max_ns));
        if (tell(p, "object-add", object, err) < 0) {
            json_decref(device);
            return -1;
        }
    }
    return tell(p, "device_add", device, err);
}

json_t *plug_null_node(uint64_t bytes, uint64_t latency_ns)
{
    return json_pack("{s:s, s:I, s:I}", "driver", "null-co", "size", (json_int_t)bytes,
                     "latency-ns", (json_int_t)latency_ns);
}

int plug_disks(struct probe *p, const struct plug *disks, size_t count, struct error **err)
{
    unsigned slot;
    cleanup_free char *bus = find_slot(p, &slot);
    int r = bus && count <= PLUG_MAX
                ? 0
                : error_set(err, "the probe guest has no slot left to plug disks into");
    for (size_t i = count; i-- > 0;) {
        r = r ? r : add_disk(p, bus, slot, &disks[i], (unsigned)i, err);
        json_decref(disks[i].node);
    }
    return r;
}
