/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - which machine this is.
 */
#pragma once

/* A key that is the same for all runs on this machine, and tells nobody else which it is: a keyed
 * hash of /etc/machine-id below `sysroot` ("" for this machine), as machine-id(5) asks for, in
 * hexadecimal; of the host's name where there is no such id. The caller frees. */
char *machine_key(const char *sysroot);
