/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diff.h - two texts side by side, as people read them.
 */
#pragma once

#include "base/error.h"

/* The unified diff of two texts, made by diff(1), under this name; "" where they are the same. The
 * caller frees. Errors: there is no diff, or no memory for a file. */
char *diff_texts(const char *before, const char *after, const char *name, struct error **err);
