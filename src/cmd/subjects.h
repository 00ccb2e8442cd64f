/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subjects.h - what check and capture are asked to look at: domains, files with domains, images.
 */
#pragma once

#include "check/inquiry.h"
#include "cmd/cmd.h"

struct subjects {
    gboolean all;
    char **xml, **images;
    struct operand domains;
};

/* As options_parse, with the options and the operand that fill it; --xml and --image take the words up
 * to the next option. */
int subjects_parse(int argc, char **argv, const char *summary, const GOptionEntry *own,
                   struct common_options *common, struct subjects *s, struct error **err);
void subjects_done(struct subjects *s);

/* Whether domains of libvirt's are among them: named, or all where no file is named. */
bool subjects_want_domains(const struct subjects *s);

/* Appends an inquiry (check/inquiry.h) for each domain of libvirt's. Errors: there is none of a
 * name; libvirt's. */
int subjects_add_domains(const struct subjects *s, const struct connection *c, GPtrArray *inquiries,
                         struct error **err);

/* The same for each file and each image; relative paths of images are below `directory`, NULL for
 * where we are. */
void subjects_add_files(const struct subjects *s, const char *directory, GPtrArray *inquiries);

/* The versions of QEMU and libvirt that a connection has, or without one this host. */
struct versions subjects_versions(const struct connection *c, const struct host_facts *facts);
