/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/limit.h"

/* libvirt's parameters have the names of the elements. */
int limit_disk(struct probe *p, const char *image_path, const struct domain_limit *limits,
               size_t count, struct error **err)
{
    virTypedParameterPtr parameters = NULL;
    int n = 0, room = 0, r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = virTypedParamsAddULLong(&parameters, &n, &room, limits[i].name, limits[i].value);
    if (r == 0)
        r = virDomainSetBlockIoTune(p->domain, image_path, parameters, (unsigned)n,
                                    VIR_DOMAIN_AFFECT_LIVE);
    virTypedParamsFree(parameters, n);
    return r < 0 ? connection_error(err, "cannot limit the disk as <iotune> says") : 0;
}
