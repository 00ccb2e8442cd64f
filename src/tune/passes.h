/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passes.h - the long slices of a race: at its beginning to read CPU time, and at its end in a few
 * passes over the lanes that are left.
 */
#pragma once

#include "tune/runner.h"

/* How long the slices are to be, by the lanes that run, when `left_ns` are left of the race at its
 * beginning; returns the time to be kept for them, 0 where there are to be none. With a deadline
 * they are fewer, or none, where they would take more than their share of the time. */
uint64_t passes_plan(struct runner *r, uint64_t left_ns);

/* Reads the CPU time of each candidate's work, unless the rounds do, there are to be no long
 * slices, or there is too little time for it. */
int passes_read_cpu(struct runner *r, struct error **err);

/* Runs them, where there are to be any, as many as there is time for. */
int passes_run(struct runner *r, struct error **err);
