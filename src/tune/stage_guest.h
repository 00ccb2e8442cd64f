/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stage_guest.h - the guest of a stage, with all that it can have.
 */
#pragma once

#include "tune/stage.h"

/* Starts it, with the disks of all lanes that have no failure. A configuration that libvirt, QEMU
 * or the host refuses becomes a failure of its lanes, in their words, and the others go on; so does
 * one that is not what was asked for, by what is read back. Errors: those of probe_start, where it
 * is no single configuration that is refused. */
int stage_guest_start(struct stage *s, struct error **err);

/* Lanes whose AIO mode did not come get a failure. To be called when the images have been filled:
 * what a mode needs may be there from the first request on, and no earlier. */
void stage_guest_check_aio(struct stage *s);
