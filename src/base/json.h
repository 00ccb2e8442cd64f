/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - scope-bound references to jansson's objects.
 */
#pragma once

#include <jansson.h>

#include "base/cleanup.h"

CLEANUP_PTR(cleanup_json_handler, json_t, json_decref)
#define cleanup_json at_scope_end(cleanup_json_handler)
