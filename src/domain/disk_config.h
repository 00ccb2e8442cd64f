/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_config.h - how a disk is configured, in libvirt's words.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* The strings belong to whoever made the configuration and outlive it. */
struct disk_config {
    const char *bus;           /* "virtio" */
    const char *format;        /* "raw", "qcow2" */
    const char *preallocation; /* qemu-img's word: "off", "metadata", "falloc", "full" */
    const char *cache;         /* "none", "writeback", … */
    const char *io;            /* "threads", "native", "io_uring" */
    bool iothread;             /* served by an iothread of its own */
};

/* {"bus","format","preallocation","cache","io","iothread"}; the caller owns it. */
json_t *disk_config_to_json(const struct disk_config *c);

/* The <driver …/> line of this configuration, with iothread='1' if it has one. The caller frees. */
char *disk_config_driver_line(const struct disk_config *c);
