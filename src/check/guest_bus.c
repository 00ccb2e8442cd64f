/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_bus.c - a domain's PCI addresses as its guest has them.
 *
 * In a domain's XML the bus of an address is the index of a <controller type='pci'>. The guest's
 * firmware gives the buses behind its bridges numbers as it finds them, in the order of the
 * bridges' own addresses. Both agree where libvirt gave the addresses, and only there. So the way
 * is gone from bus 0, and each bridge of the guest is asked for the bus behind it.
 */
#include "check/guest_bus.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/look.h"
#include "domain/xml.h"

/* No libvirt puts so many bridges behind each other, and an XML may have a ring of them. */
#define DEPTH_MAX 8

xmlNodePtr guest_controller(xmlNodePtr devices, const char *type, unsigned index)
{
    xmlNodePtr c = xml_child(devices, "controller");
    while (c && !(look_says(c, "type", type) && xml_number(c, "index", 0) == index))
        c = xml_next(c, "controller");
    return c;
}

static bool read_address(xmlNodePtr address, int64_t ret[4])
{
    static const char *const names[] = {"domain", "bus", "slot", "function"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *text = look_attribute(address, names[i]);
        char *end;
        ret[i] = (int64_t)strtoul(text, &end, /* base = 0x… or decimal */ 0);
        if (end == text)
            return false;
    }
    return look_says(address, "type", "pci");
}

/* The number of the bus that libvirt has this number for; -1: not known. */
static int64_t bus_of(xmlNodePtr devices, int64_t bus, const struct guest_lookup *ask,
                      unsigned depth)
{
    int64_t at[4];
    xmlNodePtr c = bus > 0 ? guest_controller(devices, "pci", (unsigned)bus) : NULL;
    if (!c)
        return bus;
    /* A root bus of its own, of which the XML says the number. */
    if (look_says(c, "model", "pcie-expander-bus"))
        return (int64_t)xml_number(xml_child(c, "target"), "busNr", 0) ?: -1;
    if (depth == DEPTH_MAX || !read_address(xml_child(c, "address"), at))
        return -1;
    int64_t parent = bus_of(devices, at[1], ask, depth + 1);
    if (parent < 0)
        return -1;
    cleanup_free char *bridge =
        xasprintf("%04x:%02x:%02x.%x", (unsigned)at[0] & 0xffff, (unsigned)parent & 0xff,
                  (unsigned)at[2] & 0x1f, (unsigned)at[3] & 7);
    int64_t behind = ask->bus_behind(ask->data, bridge);
    /* Where it does not say: right unless somebody gave the addresses by hand. */
    return behind >= 0 ? behind : bus;
}

bool guest_pci_address(xmlNodePtr devices, xmlNodePtr address, const struct guest_lookup *ask,
                       int64_t ret[4])
{
    if (!read_address(address, ret))
        return false;
    ret[1] = bus_of(devices, ret[1], ask, 0);
    return ret[1] >= 0;
}
