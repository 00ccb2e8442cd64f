/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probed.c - the disk of a domain that the probe guest's disks stand for, as verbs find it.
 */
#include "cmd/cmd.h"

#include "tune/subject.h"

static int read_subject(const char *xml, const struct operand *operand, const char *directory,
                        const char *connect, struct ground *ground, struct subject *ret,
                        struct error **err)
{
    if (xml)
        return subject_from_file(xml, operand->value, directory, ret, err);
    ground->connection = connection_open(connect, err);
    if (!ground->connection || connection_require_local_qemu(ground->connection, err) < 0)
        return -1;
    return subject_from_domain(ground->connection, operand->value, directory, ret, err);
}

static void take_over(char **option, const char *value)
{
    if (!*option && value)
        *option = g_strdup(value);
}

int probed_find(const char *xml, const struct operand *operand, char **directory, char **connect,
                struct ground *ground, struct subject *ret, struct error **err)
{
    if (read_subject(xml, operand, *directory, *connect, ground, ret, err) < 0)
        return -1;
    take_over(directory, ret->directory);
    take_over(connect, ret->uri);
    return option_directory(directory, err);
}

void probed_stage(const struct subject *subject, const struct guest_options *guest,
                  const struct guest_choice *choice, struct stage_options *ret)
{
    ret->accelerator = choice->accelerator;
    ret->vcpus = choice->vcpus;
    ret->kernel = guest->kernel;
    ret->emulator = guest->emulator;
    if (!subject)
        return;
    ret->like = &subject->images;
    ret->mirror = &subject->mirror;
    if (!ret->emulator)
        ret->emulator = subject->definitions.next->emulator;
}

void probed_doubt(const struct subject *subject, enum accelerator accelerator, GPtrArray *warnings)
{
    for (guint i = 0; i < subject->notes->len; i++)
        trust_say(warnings, "%s", (const char *)subject->notes->pdata[i]);
    if (accelerator == ACCELERATOR_TCG && subject->mirror.vcpu_pin_count)
        trust_say(warnings, "the domain's vCPUs are pinned; under TCG libvirt pins none, and the "
                            "probe guest's were not");
}
