/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside.h - what the program inside a guest and whoever puts it there agree on.
 */
#pragma once

/* What its own file is called, and what it makes, begin with this. */
#define INSIDE_PREFIX ".virt-disktune-"

/* How long it may be given. */
#define INSIDE_SECONDS_MAX 86400
