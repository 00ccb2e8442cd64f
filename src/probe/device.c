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

/* The names of the iothreads that serve: several that the queues are dealt out among, from QEMU 9.0
 * on, or the one. The caller owns the array; NULL with an error. */
static json_t *list_iothreads(struct probe *p, const char *path, unsigned *ret_several,
                              struct error **err)
{
    cleanup_json json_t *names = json_array();
    /* An older QEMU has no such property. */
    cleanup_json json_t *mapping = qmp_get(p, path, "iothread-vq-mapping", NULL);
    size_t i;
    json_t *entry;
    json_array_foreach (mapping, i, entry)
        json_array_append(names, json_object_get(entry, "iothread"));
    *ret_several = (unsigned)json_array_size(names);
    if (*ret_several)
        return TAKE_PTR(names);
    cleanup_free char *thread = get_string(p, path, "iothread", err);
    if (!thread)
        return NULL;
    const char *slash = strrchr(thread, '/');
    if (thread[0])
        json_array_append_new(names, json_string(slash ? slash + 1 : thread));
    return TAKE_PTR(names);
}

/* The polling time of one iothread, as query-iothreads has it, in ns; -1 where it is not there. */
static json_int_t polling_of(json_t *threads, const char *name)
{
    size_t i;
    json_t *entry;
    json_array_foreach (threads, i, entry) {
        const char *id = json_string_value(json_object_get(entry, "id"));
        if (id && strcmp(id, name) == 0)
            return json_integer_value(json_object_get(entry, "poll-max-ns"));
    }
    return -1;
}

static int read_polling(struct probe *p, json_t *names, struct disk_config *ret, struct error **err)
{
    cleanup_json json_t *threads = qmp(p, json_pack("{s:s}", "execute", "query-iothreads"), err);
    if (!threads)
        return -1;
    const char *first = json_string_value(json_array_get(names, 0));
    json_int_t ns = polling_of(threads, first ? first : "");
    size_t i;
    json_t *name;
    json_array_foreach (names, i, name) {
        const char *text = json_string_value(name);
        json_int_t own = polling_of(threads, text ? text : "");
        if (own < 0)
            return error_set(err, "QEMU does not know the iothread %s", text ? text : "of a disk");
        if (own != ns)
            return error_set(err, "the iothreads %s and %s of one disk do not poll alike", first,
                             text);
    }
    ret->poll_max_ns = !ns ? DISK_POLL_OFF : ns == DISK_POLL_DEFAULT_NS ? 0 : ns;
    return 0;
}

int device_read(struct probe *p, json_t *block, struct disk_config *ret, struct error **err)
{
    at_scope_end(server_done) struct server server = {0};
    if (find_server(p, block, &server, err) < 0)
        return -1;
    ret->bus = server.bus;
    cleanup_json json_t *queues = qmp_get(p, server.path, server.queues, err);
    if (!queues)
        return -1;
    unsigned count = (unsigned)json_integer_value(queues);
    /* As many as there are vCPUs is what a disk has unasked. */
    ret->queues = count == p->hello.vcpus ? 0 : count;
    cleanup_json json_t *names = list_iothreads(p, server.path, &ret->iothreads, err);
    if (!names)
        return -1;
    ret->iothread = json_array_size(names) > 0;
    return ret->iothread ? read_polling(p, names, ret, err) : 0;
}
