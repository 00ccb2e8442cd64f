/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_xml_world.h - domains, and what is known of their hosts, for the rows of test-check-xml.
 */
#pragma once

#include "base/cleanup.h"
#include "check/subject.h"

/* --- Worlds: what is known of the images of a row's disks ------------------------------------- */

struct world {
    enum { UNREAD, FULL, GROWING, OVER_A_BASE } image;
    const struct block_device *device;
    uint64_t fs_magic; /* 0: a block device, where there is one */
    bool direct_known;
    uint32_t direct_align;
    bool nocow;
    const struct mount *mount;
    struct versions versions;
    const struct host_facts *facts;
};

static struct block_device nvme = {.name = (char[]){"nvme0n1"},
                                   .kind = DEVICE_DISK,
                                   .driver = (char[]){"nvme"},
                                   .write_cache = (char[]){"write back"},
                                   .rotational = 0,
                                   .numa_node = 1};
static struct block_device safe_nvme = {.name = (char[]){"nvme1n1"},
                                        .kind = DEVICE_DISK,
                                        .driver = (char[]){"nvme"},
                                        .write_cache = (char[]){"write through"},
                                        .rotational = 0,
                                        .numa_node = -1};
static struct block_device heads = {.name = (char[]){"sda"},
                                    .kind = DEVICE_DISK,
                                    .driver = (char[]){"sd"},
                                    .rotational = 1,
                                    .numa_node = -1};
static struct block_device near_nvme = {.name = (char[]){"nvme2n1"},
                                        .kind = DEVICE_DISK,
                                        .driver = (char[]){"nvme"},
                                        .numa_node = 0};
/* Of nvme and this one. */
static struct block_device mirror = {.name = (char[]){"md0"}, .kind = DEVICE_RAID, .numa_node = -1};
static struct block_device thin = {.name = (char[]){"dm-3"}, .kind = DEVICE_THIN, .numa_node = -1};

static const struct mount nfs3 = {.type = (char[]){"nfs"},
                                  .options = (char[]){"rw,vers=3,local_lock=none"}};
static const struct mount nfs42 = {.type = (char[]){"nfs4"}, .options = (char[]){"rw,vers=4.2"}};
static const struct mount journal = {.type = (char[]){"ext4"},
                                     .options = (char[]){"rw,relatime,data=journal"}};

static struct host_facts eight_cpus = {.kernel = 6001,
                                       .cpus = 8,
                                       .online = (char[]){"0-6,8"},
                                       .io_uring_disabled = 0,
                                       .transparent_hugepages = (char[]){"madvise"}};
static struct host_facts two_cpus = {.kernel = 6001, .cpus = 2, .io_uring_disabled = 0};
static struct host_facts no_uring = {
    .kernel = 6001, .cpus = 8, .io_uring_disabled = 2, .transparent_hugepages = (char[]){"never"}};
static struct host_facts old_kernel = {.kernel = 5012, .cpus = 8, .io_uring_disabled = 0};

#define EXT4_DIRECT .fs_magic = FS_EXT4, .direct_known = true, .direct_align = 512
#define RECENT .versions = {.qemu = 10000000, .libvirt = 11003000}

static const struct world nothing = {0};
static const struct world allocated = {FULL, &nvme, EXT4_DIRECT};
static const struct world allocated_recent = {FULL, &nvme, EXT4_DIRECT, RECENT};
static const struct world allocated_on_8_cpus = {FULL, &nvme, EXT4_DIRECT, .facts = &eight_cpus};
static const struct world allocated_on_2_cpus = {FULL, &nvme, EXT4_DIRECT, .facts = &two_cpus};
static const struct world allocated_no_uring = {FULL, &nvme, EXT4_DIRECT, .facts = &no_uring};
static const struct world allocated_on_heads = {FULL, &heads, EXT4_DIRECT};
static const struct world flushed_cheaply = {FULL, &safe_nvme, EXT4_DIRECT};
static const struct world growing = {GROWING, &nvme, EXT4_DIRECT};
static const struct world growing_recent = {GROWING, &nvme, EXT4_DIRECT, RECENT};
static const struct world growing_no_uring = {GROWING, &nvme, EXT4_DIRECT, .facts = &no_uring};
static const struct world growing_on_7_1 = {GROWING, &nvme, EXT4_DIRECT,
                                            .versions = {.qemu = 7001003, .libvirt = 9000000}};
static const struct world growing_on_5_12 = {GROWING, &nvme, EXT4_DIRECT, .facts = &old_kernel};
static const struct world over_a_base = {OVER_A_BASE, &nvme, EXT4_DIRECT};
static const struct world over_a_slow_base = {OVER_A_BASE, &heads, EXT4_DIRECT};
static const struct world on_a_device = {FULL, &nvme};
static const struct world on_a_mirror = {FULL, &mirror};
static const struct world on_a_thin_device = {FULL, &thin};
static const struct world file_on_thin = {FULL, &thin, EXT4_DIRECT};
static const struct world no_direct = {FULL, &nvme, FS_EXT4, .direct_known = true};
static const struct world on_nfs = {GROWING, NULL, FS_NFS, .direct_known = true, .direct_align = 1};
static const struct world on_nfs3 = {GROWING, NULL, FS_NFS, .mount = &nfs3};
static const struct world on_nfs42 = {GROWING, NULL, FS_NFS, .mount = &nfs42};
static const struct world on_zfs = {FULL, NULL, FS_ZFS};
static const struct world growing_on_zfs = {GROWING, NULL, FS_ZFS, .facts = &no_uring};
static const struct world thin_no_uring = {FULL, &thin, .facts = &no_uring};
static const struct world in_memory = {FULL, NULL, FS_TMPFS};
static const struct world on_btrfs = {FULL, NULL, FS_BTRFS, .direct_known = true,
                                      .direct_align = 4096};
static const struct world on_nocow = {
    FULL, NULL, FS_BTRFS, .direct_known = true, .direct_align = 4096, .nocow = true};
static const struct world on_journal = {FULL, &nvme, FS_EXT4, .mount = &journal};
static const struct world on_8_cpus = {.facts = &eight_cpus};
static const struct world on_2_cpus = {.facts = &two_cpus};
static const struct world without_uring = {.facts = &no_uring};
static const struct world libvirt_9 = {.versions = {.qemu = 7002000, .libvirt = 9000000}};
static const struct world libvirt_12 = {.versions = {.qemu = 11000000, .libvirt = 12000000}};

/* --- XML -------------------------------------------------------------------------------------- */

#define DOMAIN_OF(type, machine, top, devices)                                                     \
    "<domain type='" type "'><name>web</name><memory unit='GiB'>16</memory>" top                   \
    "<os><type arch='x86_64' machine='" machine "'>hvm</type></os><devices>" devices               \
    "</devices></domain>"
#define DOMAIN(top, devices) DOMAIN_OF("kvm", "pc-q35-7.2", top, devices)

#define NAMED_DISK(target, bus, driver, more)                                                      \
    "<disk type='file' device='disk'>" driver "<source file='/srv/" target ".img'/>"               \
    "<target dev='" target "' bus='" bus "'/>" more "</disk>"
#define DISK(driver) NAMED_DISK("vda", "virtio", "<driver name='qemu' " driver "/>", "")
#define DISK_AND(driver, more) NAMED_DISK("vda", "virtio", "<driver name='qemu' " driver "/>", more)
#define DISK_OF(driver) NAMED_DISK("vda", "virtio", "<driver name='qemu' " driver, "")
#define OTHER(driver) NAMED_DISK("vdb", "virtio", "<driver name='qemu' " driver "/>", "")
#define SATA(driver) NAMED_DISK("sda", "sata", "<driver name='qemu' " driver "/>", "")
#define SCSI(driver) NAMED_DISK("sda", "scsi", "<driver name='qemu' " driver "/>", "")
#define LUN(driver)                                                                                \
    "<disk type='block' device='lun'><driver name='qemu' " driver "/><source dev='/dev/sdx'/>"     \
    "<target dev='sda' bus='scsi'/></disk>"
#define CONTROLLER(driver)                                                                         \
    "<controller type='scsi' index='0' model='virtio-scsi'>" driver "</controller>"
#define NETWORK(driver)                                                                            \
    "<disk type='network' device='disk'><driver name='qemu' " driver "/>"                          \
    "<source protocol='rbd' name='pool/image'><host name='mon'/></source>"                         \
    "<target dev='vda' bus='virtio'/></disk>"
#define VOLUME(driver)                                                                             \
    "<disk type='volume' device='disk'><driver name='qemu' " driver "/>"                           \
    "<source pool='p' volume='v'/><target dev='vda' bus='virtio'/></disk>"

#define ONE(driver) DOMAIN("", DISK(driver))
#define WITH_VCPUS(count, driver) DOMAIN("<vcpu>" count "</vcpu>", DISK(driver))
#define THREADS(count) "<iothreads>" count "</iothreads>"
#define THREAD_IDS(ids) "<iothreadids>" ids "</iothreadids>"
#define PINS(pins) "<vcpu>2</vcpu><iothreads>1</iothreads><cputune>" pins "</cputune>"
#define TWO_VCPU_PINS "<vcpupin vcpu='0' cpuset='2'/><vcpupin vcpu='1' cpuset='3'/>"
#define THROTTLED(limits) DOMAIN("", DISK_AND("type='raw'", "<iotune>" limits "</iotune>"))
#define STORY "type='qcow2' cache='none'"

#define MAPPED(driver, list)                                                                       \
    DOMAIN(THREADS("2"), DISK_OF(driver "><iothreads>" list "</iothreads></driver>"))

/* --- Rows ------------------------------------------------------------------------------------- */

struct row {
    const char *rule;
    const char *xml;
    const struct world *world; /* NULL: nothing is known but the XML */
    const char *severity;      /* of what is found; NULL: any */
    const char *fix;           /* the whole of it, "" for none; NULL: any */
    const char *live, *file;
    bool transient; /* the domain has no definition but that of what runs */
};
