/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside_ways.h - the ways in which a guest is measured from inside (inside.h), each in itself.
 */
#pragma once

#include "apply/inside.h"
#include "domain/agent.h"

/* Each returns {"kernel"?, "seconds", "works"}, which the caller owns. */

/* Our program. *ret_final is whether the error is one that no other way would mend: the guest has
 * not the room, its disk fails, a signal. Errors: the program cannot be put there or run. */
json_t *inside_by_program(struct agent *a, const struct inside_options *o, const char *directory,
                          bool *ret_final, struct error **err);

/* dd(1) of the guest. Errors: there is none, or it does not say how long it took. */
json_t *inside_by_dd(struct agent *a, const struct inside_options *o, const char *directory,
                     struct error **err);

/* The guest's own load: requests of the disk, in as many stretches of a second as there are runs.
 * Errors: libvirt does not tell; a signal. */
json_t *inside_by_observing(virDomainPtr domain, const struct inside_options *o,
                            struct error **err);

/* The path of a new file in a directory of the guest, by a name that nobody could have put
 * something at before: some are everybody's directories. The caller frees. */
char *inside_new_path(const char *directory);

/* Runs what takes no time (install, rm) and has to succeed; and removes a file that may be there,
 * after a signal as well. */
int inside_run_small(struct agent *a, const char *const *argv, struct error **err);
void inside_remove(struct agent *a, const char *path);

/* {"name","weight","iops":[…],"mb_per_s":[…],"latency_us":null}; the caller owns it. */
json_t *inside_work(const char *name, double weight);
void inside_add_run(json_t *work, double requests, double bytes, double seconds);
