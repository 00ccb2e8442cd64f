/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-check-host.c - what check finds of file systems, block devices and the host.
 */
#undef NDEBUG
#include "judge.h"

#define WRITEBACK                                                                                  \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"                           \
    "<source file='/srv/a.img'/><target dev='vda' bus='virtio'/></disk>"
#define URING                                                                                      \
    "<disk type='file' device='disk'>"                                                             \
    "<driver name='qemu' type='qcow2' cache='none' io='io_uring'/>"                                \
    "<source file='/srv/a.img'/><target dev='vda' bus='virtio'/></disk>"
#define URING_THREAD                                                                               \
    "<disk type='file' device='disk'>"                                                             \
    "<driver name='qemu' type='qcow2' cache='none' io='io_uring' iothread='1'/>"                   \
    "<source file='/srv/a.img'/><target dev='vda' bus='virtio'/></disk>"
#define READ_ONLY                                                                                  \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"              \
    "<source file='/srv/a.img'/><target dev='vda' bus='virtio'/><readonly/></disk>"
#define NETWORK                                                                                    \
    "<disk type='network' device='disk'>"                                                          \
    "<driver name='qemu' type='raw' cache='none' io='io_uring'/>"                                  \
    "<source protocol='rbd' name='pool/a'/><target dev='vda' bus='virtio'/></disk>"
#define BLOCKIO(sizes)                                                                             \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"              \
    "<source file='/srv/a.img'/><blockio " sizes "/><target dev='vda' bus='virtio'/></disk>"

#define DISK(...) DEVICE(.kind = DEVICE_DISK, __VA_ARGS__)
#define NVME(...)                                                                                  \
    DISK(.name = TEXT("nvme0n1"), .label = TEXT("nvme0n1"), .driver = TEXT("nvme"),                \
         .rotational = 0, __VA_ARGS__)
#define SD(...) DISK(.name = TEXT("sda"), .label = TEXT("sda"), .driver = TEXT("sd"), __VA_ARGS__)

static const struct judge_row rows[] = {
    /* --- Where an image lies --- */
    {"direct-io-none", .image = QCOW2(), .place = PLACE(.direct_known = true),
     .severity = SEVERITY_WARNING, .says = "cache='none'", .fix = "ext4"},
    {"direct-io-none", "a layer below", .image = QCOW2(), .behind = 1, .layer = 1,
     .place = PLACE(.direct_known = true), .severity = SEVERITY_WARNING,
     .says = "base1.img: cache="},
    {"direct-io-none", "tmpfs of old", .image = QCOW2(), .place = PLACE(.fs_magic = FS_TMPFS),
     .facts = FACTS(.kernel = 6001), .severity = SEVERITY_ERROR, .says = "no direct I/O"},
    {"direct-io-none", "tmpfs", .image = QCOW2(), .place = PLACE(.fs_magic = FS_TMPFS),
     .facts = FACTS(.kernel = 6006)},
    {"direct-io-none", "it has", .image = QCOW2(),
     .place = PLACE(.direct_known = true, .direct_offset_align = 512)},
    {"direct-io-none", "not known", .image = QCOW2(), .place = PLACE()},
    {"direct-io-none", "through the cache", WRITEBACK, .image = QCOW2(),
     .place = PLACE(.direct_known = true)},
    {"direct-io-none", "another reason", .image = QCOW2(), .place = PLACE(.direct_known = true),
     .mount = MOUNT(.type = TEXT("ext4"), .options = TEXT("rw,data=journal"))},
    {"sector-4k", .place = PLACE(.direct_known = true, .direct_offset_align = 4096),
     .severity = SEVERITY_NOTE, .says = "4096 bytes",
     .fix = "<blockio physical_block_size='4096'/>"},
    {"sector-4k", "by the device", .place = PLACE(), .device = NVME(.logical_block_bytes = 4096),
     .severity = SEVERITY_NOTE, .says = "4096 bytes"},
    {"sector-4k", "small ones", .place = PLACE(.direct_known = true, .direct_offset_align = 512),
     .device = NVME(.logical_block_bytes = 4096)},
    {"sector-4k", "told so", BLOCKIO("physical_block_size='4096'"),
     .place = PLACE(.direct_known = true, .direct_offset_align = 4096)},
    {"sector-4k", "logical ones", BLOCKIO("logical_block_size='4096' physical_block_size='4096'"),
     .place = PLACE(.direct_known = true, .direct_offset_align = 4096)},
    {"sector-4k", "through the cache", WRITEBACK,
     .place = PLACE(.direct_known = true, .direct_offset_align = 4096)},
    {"fs-btrfs-cow", .image = QCOW2(), .place = PLACE(.fs_magic = FS_BTRFS),
     .severity = SEVERITY_WARNING, .says = "btrfs", .fix = "-o cluster_size=65536,nocow=on"},
    {"fs-btrfs-cow", "raw", RAW_DISK, .image = RAW(), .place = PLACE(.fs_magic = FS_BTRFS),
     .severity = SEVERITY_WARNING, .says = "btrfs", .fix = "-o nocow=on '/srv/a b.img'"},
    {"fs-btrfs-cow", "with C", .image = QCOW2(),
     .place = PLACE(.fs_magic = FS_BTRFS, .nocow = true)},
    {"fs-btrfs-cow", "mounted so", .image = QCOW2(), .place = PLACE(.fs_magic = FS_BTRFS),
     .mount = MOUNT(.type = TEXT("btrfs"), .options = TEXT("rw,nodatasum,nodatacow"))},
    {"fs-btrfs-cow", "a layer below", .image = QCOW2(), .behind = 1, .layer = 1,
     .place = PLACE(.fs_magic = FS_BTRFS)},
    {"fs-btrfs-cow", "never written", READ_ONLY, .image = QCOW2(),
     .place = PLACE(.fs_magic = FS_BTRFS)},
    {"fs-zfs", .image = QCOW2(), .place = PLACE(.fs_magic = FS_ZFS), .severity = SEVERITY_NOTE,
     .says = "ZFS", .fix = "zvol"},
    {"fs-zfs", "ext4", .image = QCOW2(), .place = PLACE(.fs_magic = FS_EXT4)},
    {"fs-overlay", .image = QCOW2(), .place = PLACE(.fs_magic = FS_OVERLAY),
     .severity = SEVERITY_WARNING, .says = "overlayfs"},
    {"fs-overlay", "never written", READ_ONLY, .image = QCOW2(),
     .place = PLACE(.fs_magic = FS_OVERLAY)},
    {"fs-fuse", .image = QCOW2(), .place = PLACE(.fs_magic = FS_FUSE),
     .mount = MOUNT(.type = TEXT("fuse.sshfs"), .options = TEXT("rw")), .severity = SEVERITY_NOTE,
     .says = "fuse.sshfs"},
    {"fs-fuse", "virtiofs", .image = QCOW2(), .place = PLACE(.fs_magic = FS_FUSE),
     .mount = MOUNT(.type = TEXT("virtiofs"), .options = TEXT("rw"))},
    {"fs-tmpfs", .image = QCOW2(), .place = PLACE(.fs_magic = FS_TMPFS), .severity = SEVERITY_NOTE,
     .says = "in memory"},
    {"fs-tmpfs", "not known", .image = QCOW2()},
    {"fs-read-only", .image = QCOW2(), .place = PLACE(.fs_read_only = true),
     .mount = MOUNT(.type = TEXT("ext4"), .options = TEXT("ro")), .severity = SEVERITY_ERROR,
     .says = "read-only", .fix = "mount -o remount,rw '/srv'"},
    {"fs-read-only", "so is the disk", READ_ONLY, .image = QCOW2(),
     .place = PLACE(.fs_read_only = true)},
    {"fs-read-only", "no domain", .image = QCOW2(), .place = PLACE(.fs_read_only = true),
     .nameless = true},
    {"fs-read-only", "a layer below", .image = QCOW2(), .behind = 1, .layer = 1,
     .place = PLACE(.fs_read_only = true)},
    {"image-reflinked", .image = QCOW2(),
     .place = PLACE(.fs_magic = FS_XFS, .extents_known = true, .shared = true),
     .severity = SEVERITY_NOTE, .says = "share", .fix = "--reflink=never '/srv/a b.img' "},
    {"image-reflinked", "not shared", .image = QCOW2(),
     .place = PLACE(.fs_magic = FS_XFS, .extents_known = true)},
    {"image-reflinked", "copied on write anyway", .image = QCOW2(),
     .place = PLACE(.fs_magic = FS_BTRFS, .extents_known = true, .shared = true)},
    {"image-compressed-fs", .image = QCOW2(),
     .place = PLACE(.extents_known = true, .encoded = true), .severity = SEVERITY_NOTE,
     .says = "compresses"},
    {"image-compressed-fs", "not known", .image = QCOW2(), .place = PLACE()},

    /* --- Mounts --- */
    {"fs-ext4-data-journal",
     .mount = MOUNT(.type = TEXT("ext4"), .options = TEXT("rw,data=journal")),
     .severity = SEVERITY_WARNING, .says = "/srv (ext4)", .fix = "data=ordered '/srv'"},
    {"fs-ext4-data-journal", "ordered",
     .mount = MOUNT(.type = TEXT("ext4"), .options = TEXT("rw,data=ordered"))},
    {"fs-nobarrier", .mount = MOUNT(.type = TEXT("ext4"), .options = TEXT("rw,nobarrier")),
     .severity = SEVERITY_ERROR, .says = "without barriers", .fix = "remount,barrier"},
    {"fs-nobarrier", "a number", .mount = MOUNT(.type = TEXT("ext4"), .options = TEXT("barrier=0")),
     .severity = SEVERITY_ERROR, .says = "without barriers"},
    {"fs-nobarrier", "on", .mount = MOUNT(.type = TEXT("ext4"), .options = TEXT("rw,barrier=1"))},
    {"fs-discard", .mount = MOUNT(.type = TEXT("xfs"), .options = TEXT("rw,discard")),
     .severity = SEVERITY_NOTE, .says = "discard", .fix = "fstrim.timer"},
    {"fs-discard", "later",
     .mount = MOUNT(.type = TEXT("btrfs"), .options = TEXT("discard=async"))},
    {"fs-nfs-nolock", .severity = SEVERITY_NOTE, .says = "local_lock=all",
     .mount = MOUNT(.type = TEXT("nfs"), .options = TEXT("vers=3,local_lock=all"))},
    {"fs-nfs-nolock", "of the server",
     .mount = MOUNT(.type = TEXT("nfs4"), .options = TEXT("vers=4.2,local_lock=none"))},

    /* --- Devices --- */
    {"scheduler-nvme", .device = NVME(.scheduler = TEXT("bfq")), .severity = SEVERITY_WARNING,
     .says = "nvme0n1 has the scheduler bfq",
     .fix = "echo none > /sys/block/nvme0n1/queue/scheduler"},
    {"scheduler-nvme", "the kernel's", .device = NVME(.scheduler = TEXT("mq-deadline")),
     .severity = SEVERITY_NOTE, .says = "mq-deadline"},
    {"scheduler-nvme", "none", .device = NVME(.scheduler = TEXT("none"))},
    {"scheduler-nvme", "not known", .device = NVME()},
    {"scheduler-nvme", "not real",
     .device = NVME(.scheduler = TEXT("bfq"), .model = TEXT("QEMU NVMe Ctrl"))},
    {"scheduler-ssd", .device = SD(.rotational = 0, .scheduler = TEXT("bfq")),
     .severity = SEVERITY_NOTE, .says = "bfq", .fix = "echo mq-deadline > /sys/block/sda/"},
    {"scheduler-ssd", "the kernel's",
     .device = SD(.rotational = 0, .scheduler = TEXT("mq-deadline"))},
    {"scheduler-ssd", "not known", .device = SD(.scheduler = TEXT("bfq"))},
    {"scheduler-hdd", .device = SD(.rotational = 1, .scheduler = TEXT("none")),
     .severity = SEVERITY_NOTE, .says = "none", .fix = "echo mq-deadline > "},
    {"scheduler-hdd", "bfq", .device = SD(.rotational = 1, .scheduler = TEXT("bfq"))},
    {"scheduler-hdd", "virtual",
     .device = DISK(.name = TEXT("vda"), .label = TEXT("vda"), .driver = TEXT("virtio_blk"),
                    .rotational = 1, .scheduler = TEXT("none"))},
    {"rotational-flash", .device = SD(.rotational = 1, .model = TEXT("Samsung SSD 870")),
     .severity = SEVERITY_NOTE, .says = "Samsung SSD 870", .fix = "echo 0 > "},
    {"rotational-flash", "a disk", .device = SD(.rotational = 1, .model = TEXT("ST4000NM0035"))},
    {"rotational-flash", "known", .device = SD(.rotational = 0, .model = TEXT("Samsung SSD 870"))},
    {"merges-off", .device = NVME(.merges_off = 2), .severity = SEVERITY_NOTE, .says = "nomerges",
     .fix = "/sys/block/nvme0n1/queue/nomerges"},
    {"merges-off", "simple ones", .device = NVME(.merges_off = 1)},
    {"nvme-one-queue", .device = NVME(.hardware_queues = 1), .facts = FACTS(.cpus = 8),
     .severity = SEVERITY_NOTE, .says = "for 8 CPUs"},
    {"nvme-one-queue", "one CPU", .device = NVME(.hardware_queues = 1), .facts = FACTS(.cpus = 1)},
    {"nvme-one-queue", "several", .device = NVME(.hardware_queues = 4), .facts = FACTS(.cpus = 8)},
    {"loop-buffered", .severity = SEVERITY_WARNING, .says = "/srv/disk", .fix = "=on /dev/loop3",
     .device = DEVICE(.kind = DEVICE_LOOP, .name = TEXT("loop3"), .label = TEXT("loop3"),
                      .detail = TEXT("/srv/disk"), .direct_io = 0)},
    {"loop-buffered", "direct",
     .device = DEVICE(.kind = DEVICE_LOOP, .name = TEXT("loop3"), .label = TEXT("loop3"),
                      .direct_io = 1)},
    {"crypt-workqueues", .severity = SEVERITY_NOTE, .says = "secret is a dm-crypt",
     .fix = "--persistent 'secret'", .below = NVME(),
     .device = DEVICE(.kind = DEVICE_CRYPT, .name = TEXT("dm-0"), .label = TEXT("secret"))},
    {"crypt-workqueues", "heads", .below = SD(.rotational = 1),
     .device = DEVICE(.kind = DEVICE_CRYPT, .name = TEXT("dm-0"), .label = TEXT("secret"))},
    {"crypt-workqueues", "nothing known below",
     .device = DEVICE(.kind = DEVICE_CRYPT, .name = TEXT("dm-0"), .label = TEXT("secret"))},
    {"crypt-workqueues", "kernel of old", .below = NVME(), .facts = FACTS(.kernel = 5004),
     .device = DEVICE(.kind = DEVICE_CRYPT, .name = TEXT("dm-0"), .label = TEXT("secret"))},
    {"lvm-thin", .severity = SEVERITY_NOTE, .says = "vg-web",
     .device = DEVICE(.kind = DEVICE_THIN, .name = TEXT("dm-1"), .label = TEXT("vg-web"))},
    {"lvm-thin", "thick",
     .device = DEVICE(.kind = DEVICE_LVM, .name = TEXT("dm-1"), .label = TEXT("vg-web"))},

    /* --- The host --- */
    {"io-uring-unavailable", "QEMU 8.2", URING, .facts = FACTS(.io_uring_disabled = 2),
     .versions = {.qemu = 8002007}, .severity = SEVERITY_ERROR, .says = "is 2",
     .fix = "io='threads'"},
    {"io-uring-unavailable", "QEMU 10.0", URING, .facts = FACTS(.io_uring_disabled = 2),
     .versions = {.qemu = 10000013}, .severity = SEVERITY_WARNING, .says = "is 2"},
    {"io-uring-unavailable", "QEMU 10.2", URING, .facts = FACTS(.io_uring_disabled = 1),
     .versions = {.qemu = 10002000}, .severity = SEVERITY_ERROR, .says = "is 1"},
    {"io-uring-unavailable", "any", URING, .facts = FACTS(.io_uring_disabled = 2),
     .severity = SEVERITY_WARNING, .says = "is 2"},
    {"io-uring-unavailable", "it runs", URING, .facts = FACTS(.io_uring_disabled = 1),
     .versions = {.qemu = 8002007}, .running = true, .severity = SEVERITY_WARNING, .says = "is 1"},
    {"io-uring-unavailable", "a group", URING,
     .facts = FACTS(.io_uring_disabled = 1, .io_uring_group = 64055),
     .versions = {.qemu = 8002007}},
    {"io-uring-unavailable", "allowed", URING, .facts = FACTS(.io_uring_disabled = 0)},
    {"io-uring-unavailable", "not asked for", .facts = FACTS(.io_uring_disabled = 2)},
    {"io-uring-unavailable", "no meaning", NETWORK, .facts = FACTS(.io_uring_disabled = 2)},
    {"io-uring-unavailable", "another host", URING},
    {"io-uring-hangs", "QEMU 7.1", URING_THREAD, .versions = {.qemu = 7001000},
     .severity = SEVERITY_WARNING, .says = "QEMU is 7.1", .fix = "io='threads'"},
    {"io-uring-hangs", "the kernel", URING, .facts = FACTS(.kernel = 5004),
     .severity = SEVERITY_WARNING, .says = "kernel is 5.4"},
    {"io-uring-hangs", "no iothread", URING, .versions = {.qemu = 7001000}},
    {"io-uring-hangs", "QEMU 7.2", URING_THREAD, .versions = {.qemu = 7002000},
     .facts = FACTS(.kernel = 5013)},
    {"io-uring-hangs", "not asked for", .facts = FACTS(.kernel = 5004)},
    {"dirty-pages", "a ratio", WRITEBACK,
     .facts = FACTS(.dirty_ratio = 20, .dirty_bytes = 0, .memory_bytes = UINT64_C(100) << 30),
     .severity = SEVERITY_NOTE, .says = "up to 20 GiB", .fix = "vm.dirty_bytes="},
    {"dirty-pages", "bytes", WRITEBACK,
     .facts = FACTS(.dirty_bytes = INT64_C(8) << 30, .memory_bytes = UINT64_C(100) << 30),
     .severity = SEVERITY_NOTE, .says = "up to 8 GiB"},
    {"dirty-pages", "few", WRITEBACK,
     .facts =
         FACTS(.dirty_ratio = 20, .dirty_bytes = 1 << 30, .memory_bytes = UINT64_C(100) << 30)},
    {"dirty-pages", "round the cache",
     .facts = FACTS(.dirty_ratio = 20, .dirty_bytes = 0, .memory_bytes = UINT64_C(100) << 30)},
    {"dirty-pages", "needlessly", WRITEBACK,
     .place = PLACE(.direct_known = true, .direct_offset_align = 512),
     .facts = FACTS(.dirty_ratio = 20, .dirty_bytes = 0, .memory_bytes = UINT64_C(100) << 30)},
    {"dirty-pages", "not known", WRITEBACK, .facts = FACTS()},
    {"limits-defined",
     .rest = "<blkiotune><device><path>/dev/sda</path>"
             "<read_iops_sec>500</read_iops_sec></device></blkiotune>",
     .severity = SEVERITY_NOTE, .says = "read_iops_sec 500"},
    {"limits-defined", "CPU", .rest = "<cputune><iothread_quota>20000</iothread_quota></cputune>",
     .severity = SEVERITY_NOTE, .says = "iothread_quota 20000"},
    {"limits-defined", "in effect", .io_limit = "io.max of /machine.slice: 8:0 riops=500",
     .rest = "<cputune><iothread_quota>20000</iothread_quota></cputune>"},
    {"limits-defined", "no limit",
     .rest = "<blkiotune><weight>500</weight></blkiotune>"
             "<cputune><quota>-1</quota><shares>9</shares></cputune>"},
    {"aio-max-nr", .facts = FACTS(.aio_used = 60000, .aio_max = 65536),
     .severity = SEVERITY_WARNING, .says = "60000 of 65536", .fix = "fs.aio-max-nr=1048576"},
    {"aio-max-nr", "a large one", .facts = FACTS(.aio_used = 1048576, .aio_max = 1048576),
     .severity = SEVERITY_WARNING, .says = "1048576 of", .fix = "fs.aio-max-nr=2097152"},
    {"aio-max-nr", "room", .facts = FACTS(.aio_used = 58000, .aio_max = 65536)},
    {"aio-max-nr", "not known", .facts = FACTS(.aio_used = 60000)},
    {"governor", .facts = FACTS(.governor = TEXT("powersave")), .severity = SEVERITY_NOTE,
     .says = "powersave", .fix = "performance"},
    {"governor", "schedutil", .facts = FACTS(.governor = TEXT("schedutil"))},
    {"halt-poll-off", .facts = FACTS(.halt_poll_ns = 0), .severity = SEVERITY_NOTE, .says = "is 0",
     .fix = "echo 200000 > "},
    {"halt-poll-off", "on", .facts = FACTS(.halt_poll_ns = 200000)},
    {"halt-poll-off", "not known", .facts = FACTS()},
    {"ksm", .facts = FACTS(.ksm = 1), .severity = SEVERITY_NOTE, .says = "KSM"},
    {"ksm", "off", .facts = FACTS(.ksm = 0)},
    {"ksm", "not known", .facts = FACTS()},
};

static void test_rows(void **state)
{
    (void)state;
    judge_all(rows, ARRAY_SIZE(rows));
}

static void test_each_rule_has_rows(void **state)
{
    (void)state;
    judge_table_is_covered(&rules_place, rows, ARRAY_SIZE(rows));
    judge_table_is_covered(&rules_device, rows, ARRAY_SIZE(rows));
    judge_table_is_covered(&rules_host, rows, ARRAY_SIZE(rows));
}

/* With --schema. */
static void test_schema(void **state)
{
    (void)state;
    judge_xml_is_valid(rows, ARRAY_SIZE(rows));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest schema[] = {cmocka_unit_test(test_schema)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_each_rule_has_rows),
    };
    if (argc > 1 && strcmp(argv[1], "--schema") == 0)
        return cmocka_run_group_tests_name("check-host --schema", schema, NULL, NULL);
    return cmocka_run_group_tests_name("check-host", tests, NULL, NULL);
}
