/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/qmp.h"

#include <libvirt/libvirt-qemu.h>

#include "base/json.h"

json_t *qmp_ask(virDomainPtr domain, json_t *command, struct error **err)
{
    cleanup_json json_t *owned = command;
    const char *name = json_string_value(json_object_get(owned, "execute"));
    cleanup_free char *text = json_dumps(owned, JSON_COMPACT);
    cleanup_free char *answer = NULL;
    if (virDomainQemuMonitorCommand(domain, text, &answer, 0) < 0) {
        connection_error(err, "QEMU's monitor cannot be asked");
        return NULL;
    }
    cleanup_json json_t *json = json_loads(answer, 0, NULL);
    json_t *result = json_object_get(json, "return");
    if (!result) {
        const char *why = NULL;
        json_unpack(json, "{s:{s:s}}", "error", "desc", &why);
        error_set(err, "%s: %s", name, why ? why : "no answer");
        return NULL;
    }
    return json_incref(result);
}

json_t *qmp(struct probe *p, json_t *command, struct error **err)
{
    json_t *result = qmp_ask(p->domain, command, err);
    if (!result)
        error_prefix(err, "QEMU does not say what it runs");
    return result;
}

json_t *qmp_get(struct probe *p, const char *path, const char *property, struct error **err)
{
    return qmp(p,
               json_pack("{s:s, s:{s:s, s:s}}", "execute", "qom-get", "arguments", "path", path,
                         "property", property),
               err);
}
