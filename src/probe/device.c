/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/device.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "probe/qmp.h"

/* --- Which device ----------------------------------------------------------------------------- */

/* A path in QEMU's tree of objects up to the device that libvirt put there: what QEMU has below one
 * of virtio begins with virtio-backend. The caller frees. */
static char *up_to_device(const char *path)
{
    const char *end = strstr(path, "/virtio-backend");
    return strndup(path, end ? (size_t)(end - path) : strlen(path));
}

/* The string that a property is; NULL with an error where QEMU does not say. The caller frees. */
static char *get_string(struct probe *p, const char *path, const char *property, struct error **err)
{
    cleanup_json json_t *value = qmp_get(p, path, property, err);
    const char *text = json_string_value(value);
    return value ? xstrdup(text ? text : "") : NULL;
}

/* A device that serves a disk, and how its property for the number of queues is called. */
struct server {
    char *path;
    const char *bus, *queues;
};

static void server_done(struct server *s)
{
    free(s->path);
}

/* The disk's own device serves it, or the controller that it is plugged into. */
static int find_server(struct probe *p, json_t *block, struct server *ret, struct error **err)
{
    const char *qdev = json_string_value(json_object_get(block, "qdev"));
    cleanup_free char *device = up_to_device(qdev ? qdev : "");
    cleanup_free char *type = get_string(p, device, "type", err);
    if (!type)
        return -1;
    if (strcmp(type, "scsi-hd") != 0) {
        bool blk = strncmp(type, "virtio-blk", 10) == 0;
        *ret = (struct server){TAKE_PTR(device), blk ? "virtio" : "other", "num-queues"};
        return 0;
    }
    cleanup_free char *bus = get_string(p, device, "parent_bus", err);
    cleanup_free char *controller = bus ? up_to_device(bus) : NULL;
    cleanup_free char *model = controller ? get_string(p, controller, "type", err) : NULL;
    if (!model)
        return -1;
    bool virtio = strncmp(model, "virtio-scsi", 11) == 0;
    *ret = (struct server){TAKE_PTR(controller), virtio ? "scsi" : "other", "num_queues"};
    return 0;
}

/* --- What it is like -------------------------------------------------------------------------- */

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
    at_scope_end(server_done) struct server server = {0};
    if (find_server(p, block, &server, err) < 0)
        return -1;
    ret->bus = server.bus;
    cleanup_json json_t *queues = qmp_get(p, server.path, server.queues, err);
    cleanup_free char *thread = queues ? get_string(p, server.path, "iothread", err) : NULL;
    if (!thread)
        return -1;
    unsigned count = (unsigned)json_integer_value(queues);
    /* As many as there are vCPUs is what a disk has unasked. */
    ret->queues = count == p->hello.vcpus ? 0 : count;
    ret->iothread = thread[0];
    return thread[0] ? read_polling(p, thread, ret, err) : 0;
}
