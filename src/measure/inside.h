/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside.h - what the program inside a guest and whoever puts it there agree on.
 */
#pragma once

/* What its own file is called, and what it makes, begin with this. */
#define INSIDE_PREFIX ".virt-disktune-"

/* What a file system in a guest has to have free beyond the file. */
#define INSIDE_RESERVE_BYTES (64 << 20)

/* How long it may be given. */
#define INSIDE_SECONDS_MAX 86400
