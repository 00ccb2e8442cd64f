/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_init.h - the probe guest's /init, built from guest/ and carried in this program: there is
 * no file to be found, or to be of another version, at run time.
 */
#pragma once

#include <stddef.h>

extern const unsigned char guest_init[];
extern const size_t guest_init_size;
