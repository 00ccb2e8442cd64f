/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_inside.h - the program that measures inside a guest, built from guest/ and carried in this
 * one.
 */
#pragma once

#include <stddef.h>

extern const unsigned char guest_inside[];
extern const size_t guest_inside_size;
