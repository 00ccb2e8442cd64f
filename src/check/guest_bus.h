/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_bus.h - where a device of a domain is on the guest's PCI, whose buses have other numbers
 * than libvirt's.
 */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

/* What is asked of a guest while its disks are looked for. */
struct guest_lookup {
    /* The bytes of a disk, by its target; 0: not known. */
    uint64_t (*capacity)(void *data, const char *target);
    /* The number of the bus behind a bridge of the guest ("0000:00:02.0"); -1: not known. */
    int64_t (*bus_behind)(void *data, const char *bridge);
    void *data;
};

/* The controller of this type and index among a domain's <devices>; NULL. */
xmlNodePtr guest_controller(xmlNodePtr devices, const char *type, unsigned index);

/* Where the guest has a device that has this <address type='pci'>, which may be NULL: domain, bus,
 * slot, function. False: it is not known. */
bool guest_pci_address(xmlNodePtr devices, xmlNodePtr address, const struct guest_lookup *ask,
                       int64_t ret[4]);
