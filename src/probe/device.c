/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/device.h"

#include <string.h>

#include "base/json.h"
#include "probe/qmp.h"

/* The path of the device behind a query-block entry, without what libvirt's answer ends with. */
static char *device_path(json_t *block)
{
    const char *qdev = json_string_value(json_object_get(block, "qdev"));
    const char *end = qdev ? strstr(qdev, "/virtio-backend") : NULL;
    return qdev ? strndup(qdev, end ? (size_t)(end - qdev) : strlen(qdev)) : NULL;
}

/* The polling time of the iothread with this path, or name. */
static int read_polling(struct probe *p, const char *thread, struct disk_config *ret,
                        struct error **err)
{
    cleanup_json json_t *threads = qmp(p, json_pack("{s:s}", "execute", "query-iothreads"), err);
    const char *slash = strrchr(thread, '/');
    const char *name = slash ? slash + 1 : thread;
    size_t i;
    json_t *entry;
    json_array_foreach (threads, i, entry) {
        const char *id = json_string_value(json_object_get(entry, "id"));
        json_int_t ns = json_integer_value(json_object_get(entry, "poll-max-ns"));
        if (!id || strcmp(id, name) != 0)
            continue;
        ret->poll_max_ns = !ns ? DISK_POLL_OFF : ns == DISK_POLL_DEFAULT_NS ? 0 : ns;
        return 0;
    }
    return threads ? error_set(err, "QEMU does not know the iothread %s", name) : -1;
}

int device_read(struct probe *p, json_t *block, struct disk_config *ret, struct error **err)
{
    cleanup_free char *path = device_path(block);
    const char *device = path ? path : "";
    cleanup_json json_t *type = qmp_get(p, device, "type", err);
    cleanup_json json_t *iothread = type ? qmp_get(p, device, "iothread", err) : NULL;
    if (!type || !iothread)
        return -1;
    cleanup_json json_t *queues = qmp_get(p, device, "num-queues", err);
    if (!queues)
        return -1;
    const char *name = json_string_value(type);
    const char *thread = json_string_value(iothread);
    unsigned count = (unsigned)json_integer_value(queues);
    /* As many as there are vCPUs is what a disk has unasked. */
    ret->queues = count == p->hello.vcpus ? 0 : count;
    ret->bus = name && strncmp(name, "virtio-blk", 10) == 0 ? "virtio" : "other";
    ret->iothread = thread && thread[0];
    return ret->iothread ? read_polling(p, thread, ret, err) : 0;
}
