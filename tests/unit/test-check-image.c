/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-check-image.c - what check finds of buses, of disks that are refused, and of images.
 */
#undef NDEBUG
#include "judge.h"

#define DISK(attributes, source, target)                                                           \
    "<disk type='file' device='disk'><driver name='qemu' " attributes "/>" source                  \
    "<target " target "/></disk>"
#define FILE_DISK(attributes, target) DISK(attributes, "<source file='/srv/a b.img'/>", target)
#define ON(target) FILE_DISK("type='qcow2' cache='none'", target)
#define TYPED(type, driver, more)                                                                  \
    "<disk type='" type "' device='disk'><driver name='qemu' " driver "/>"                         \
    "<target dev='vda' bus='virtio'/>" more "</disk>"
#define LUN(type, driver, more)                                                                    \
    "<disk type='" type "' device='lun'><driver name='qemu' " driver "/>" more                     \
    "<target dev='sda' bus='scsi'/></disk>"
#define WITH(more)                                                                                 \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"              \
    "<source file='/srv/a b.img'/><target dev='vda' bus='virtio'/>" more "</disk>"
#define RAW_WITH(more)                                                                             \
    "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>"                \
    "<source file='/srv/a.img'/><target dev='vda' bus='virtio'/>" more "</disk>"
#define CACHE(size)                                                                                \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'>"               \
    "<metadata_cache>" size "</metadata_cache></driver>"                                           \
    "<source file='/srv/a b.img'/><target dev='vda' bus='virtio'/></disk>"
#define SCSI(model) ON("dev='sda' bus='scsi'") "<controller type='scsi' index='0' " model "/>"
#define BRIDGED(model)                                                                             \
    WITH("<address type='pci' bus='0x02' slot='0x01'/>")                                           \
    "<controller type='pci' index='2' model='" model "'/>"
#define FLASH                                                                                      \
    DEVICE(.kind = DEVICE_DISK, .name = TEXT("nvme0n1"), .label = TEXT("nvme0n1"),                 \
           .driver = TEXT("nvme"), .rotational = 0)
#define HEADS                                                                                      \
    DEVICE(.kind = DEVICE_DISK, .name = TEXT("sda"), .label = TEXT("sda"), .driver = TEXT("sd"),   \
           .rotational = 1)

#define GIB(n) (UINT64_C(n) << 30)
#define TIB(n) (UINT64_C(n) << 40)

static const struct judge_row rows[] = {
    /* --- Buses --- */
    {"bus-ide", .devices = ON("dev='hda' bus='ide'"), .machine = "pc-i440fx-7.2",
     .severity = SEVERITY_WARNING, .says = "IDE", .fix = "<target dev='vda' bus='virtio'/>"},
    {"bus-ide", "virtio"},
    {"bus-sata", "beside another", ON("dev='sda' bus='sata'") ON("dev='vda' bus='virtio'"),
     .severity = SEVERITY_WARNING, .says = "SATA", .fix = "<target dev='vdb' bus='virtio'/>"},
    {"bus-sata", "scsi", ON("dev='sda' bus='scsi'")},
    {"bus-nvme", .devices = ON("dev='nvme0n1' bus='nvme'"), .severity = SEVERITY_NOTE,
     .says = "NVMe"},
    {"bus-nvme", "virtio"},
    {"scsi-emulated", .devices = SCSI("model='lsilogic'"), .severity = SEVERITY_WARNING,
     .says = "lsilogic", .fix = "<controller type='scsi' index='0' model='virtio-scsi'/>"},
    {"scsi-emulated", "virtio-scsi", SCSI("model='virtio-scsi'")},
    {"scsi-emulated", "no model", SCSI("")},
    {"scsi-unstated", .devices = SCSI(""), .severity = SEVERITY_NOTE, .says = "lsilogic"},
    {"scsi-unstated", "no controller", ON("dev='sda' bus='scsi'"), .severity = SEVERITY_NOTE,
     .says = "lsilogic", .fix = "model='virtio-scsi'"},
    {"scsi-unstated", "virtio-scsi", SCSI("model='virtio-scsi'")},
    {"pci-bridge", .devices = BRIDGED("pcie-to-pci-bridge"), .severity = SEVERITY_NOTE,
     .says = "pcie-to-pci-bridge", .fix = "model='virtio'"},
    {"pci-bridge", "transitional", .severity = SEVERITY_NOTE, .says = "conventional PCI",
     .devices = "<disk type='file' device='disk' model='virtio-transitional'>"
                "<source file='/srv/a.img'/><target dev='vda' bus='virtio'/></disk>"},
    {"pci-bridge", "a port", BRIDGED("pcie-root-port")},
    {"pci-bridge", "no PCI Express", BRIDGED("pci-bridge"), .machine = "pc-i440fx-7.2"},
    {"block-as-file", .place = PLACE(.type = PLACE_BLOCK), .versions = {.qemu = 7002000},
     .severity = SEVERITY_ERROR, .says = "/srv/a b.img is a block device",
     .fix = "<source dev='/srv/a b.img'/>"},
    {"block-as-file", "it runs", .place = PLACE(.type = PLACE_BLOCK), .running = true,
     .versions = {.qemu = 7002000}, .severity = SEVERITY_WARNING, .says = "block device",
     .fix = "<disk type='block'"},
    {"block-as-file", "a file", .place = PLACE(), .versions = {.qemu = 7002000}},
    {"block-as-file", "no domain", .place = PLACE(.type = PLACE_BLOCK), .nameless = true},
    {"rotation-unstated", .devices = SCSI("model='virtio-scsi'"), .place = PLACE(), .device = FLASH,
     .severity = SEVERITY_NOTE, .says = "flash",
     .fix = "<target dev='sda' bus='scsi' rotation_rate='1'/>"},
    {"rotation-unstated", "heads", SCSI("model='virtio-scsi'"), .place = PLACE(), .device = HEADS},
    {"rotation-unstated", "not known", SCSI("model='virtio-scsi'"), .place = PLACE()},
    {"rotation-unstated", "virtio-blk", .place = PLACE(), .device = FLASH},
    {"disk-transient", .devices = WITH("<transient/>"), .severity = SEVERITY_NOTE,
     .says = "overlay"},
    {"disk-transient", "lasting"},
    {"encryption-luks", .devices = WITH("<encryption format='luks'/>"), .severity = SEVERITY_NOTE,
     .says = "LUKS"},
    {"encryption-luks", "plain"},

    /* --- What is refused --- */
    {"disk-refused", "lun of a file", LUN("file", "type='raw'", "<source file='/srv/a'/>"),
     .severity = SEVERITY_ERROR, .says = "block devices, iSCSI"},
    {"disk-refused", "lun with qcow2", LUN("block", "type='qcow2'", "<source dev='/dev/a'/>"),
     .severity = SEVERITY_ERROR, .says = "type='raw'"},
    {"disk-refused", "lun encrypted",
     LUN("block", "type='raw'", "<source dev='/dev/a'><encryption format='luks'/></source>"),
     .severity = SEVERITY_ERROR, .says = "cannot be encrypted"},
    {"disk-refused", "lun",
     LUN("block", "type='raw'", "<source dev='/dev/a'><reservations/></source>")},
    {"disk-refused", "lun on iSCSI",
     LUN("network", "type='raw'", "<source protocol='iscsi' name='iqn'/>")},
    {"disk-refused", "reservations",
     TYPED("block", "type='raw'", "<source dev='/dev/a'><reservations/></source>"),
     .severity = SEVERITY_ERROR, .says = "reservations"},
    {"disk-refused", "vhostuser on another bus",
     "<disk type='vhostuser' device='disk'><target dev='sda' bus='scsi'/></disk>",
     .severity = SEVERITY_ERROR, .says = "bus='virtio'"},
    {"disk-refused", "vhostuser with a cache", TYPED("vhostuser", "cache='none'", ""),
     .severity = SEVERITY_ERROR, .says = "to its server"},
    {"disk-refused", "vhostuser with limits", TYPED("vhostuser", "cache='default'", "<iotune/>"),
     .severity = SEVERITY_ERROR, .says = "to its server"},
    {"disk-refused", "vhostuser", TYPED("vhostuser", "queues='2' cache='default'", "")},
    {"disk-refused", "vhostvdpa", TYPED("vhostvdpa", "type='raw'", ""), .severity = SEVERITY_ERROR,
     .says = "cache='none'"},
    {"disk-refused", "vhostvdpa directly", TYPED("vhostvdpa", "type='raw' cache='none'", "")},
    {"disk-refused", "transient device", TYPED("block", "type='raw'", "<transient/>"),
     .severity = SEVERITY_ERROR, .says = "type='file'"},
    {"disk-refused", "encrypted vmdk", TYPED("file", "type='vmdk'", "<encryption format='luks'/>"),
     .severity = SEVERITY_ERROR, .says = "type='raw' and 'qcow2'"},
    {"disk-refused", "qcow", WITH("<encryption format='qcow'/>"), .severity = SEVERITY_ERROR,
     .says = "'qcow' is gone"},
    {"disk-refused", "a partition", ON("dev='vda1' bus='virtio'"), .severity = SEVERITY_ERROR,
     .says = "like a partition"},
    {"disk-refused", "NVMe's name", ON("dev='nvme0n1' bus='nvme'")},
    {"disk-refused", "IDE on q35", ON("dev='hda' bus='ide'"), .severity = SEVERITY_ERROR,
     .says = "no IDE bus"},
    {"disk-refused", "IDE on pc", ON("dev='hda' bus='ide'"), .machine = "pc-i440fx-7.2"},
    {"disk-refused", "SATA to read",
     "<disk type='file' device='disk'><source file='/srv/a'/><target dev='sda' bus='sata'/>"
     "<readonly/></disk>",
     .severity = SEVERITY_ERROR, .says = "read-only"},
    {"disk-refused", "rotation of virtio", ON("dev='vda' bus='virtio' rotation_rate='1'"),
     .severity = SEVERITY_ERROR, .says = "rotation_rate"},
    {"disk-refused", "rotation of SATA", ON("dev='sda' bus='sata' rotation_rate='1'")},
    {"disk-refused", "metadata_cache of raw",
     "<disk type='file' device='disk'><driver name='qemu' type='raw'><metadata_cache>"
     "<max_size>1048576</max_size></metadata_cache></driver><source file='/srv/a'/>"
     "<target dev='vda' bus='virtio'/></disk>",
     .severity = SEVERITY_ERROR, .says = "metadata_cache"},
    {"shareable-qcow2", .devices = WITH("<shareable/>"), .severity = SEVERITY_ERROR,
     .says = "qcow2"},
    {"shareable-qcow2", "raw", RAW_WITH("<shareable/>")},
    {"shareable-qcow2", "to read", WITH("<shareable/><readonly/>")},
    {"vhost-memory", .devices = TYPED("vhostuser", "queues='2'", ""), .severity = SEVERITY_ERROR,
     .says = "private", .fix = "<access mode='shared'/>"},
    {"vhost-memory", "shared", TYPED("vhostuser", "queues='2'", ""),
     .rest = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"},
    {"vhost-memory", "shared cells", TYPED("vhostuser", "queues='2'", ""),
     .rest = "<cpu><numa><cell id='0' memAccess='shared'/></numa></cpu>"},
    {"vhost-memory", "another disk"},

    /* --- Images --- */
    {"image-unreadable", .unread = "cannot look at /srv/a b.img: No such file or directory",
     .severity = SEVERITY_ERROR, .says = "No such file"},
    {"image-unreadable", "not for us", .unread = "cannot look at /srv/a b.img: Permission denied",
     .severity = SEVERITY_NOTE, .says = "Permission denied"},
    {"image-unreadable", "of a capture", .place = PLACE(),
     .unread = "cannot open the image /srv/a b.img: No such file or directory",
     .severity = SEVERITY_NOTE, .says = "No such file"},
    {"image-unreadable", "a layer below", .image = QCOW2(), .place = PLACE(),
     .unread = "/srv/base.img: No such file or directory", .severity = SEVERITY_ERROR,
     .says = "base.img"},
    {"image-unreadable", "read", .image = QCOW2()},
    {"image-unreadable", "not of ours", FILE_DISK("type='vmdk'", "dev='vda' bus='virtio'"),
     .unread = "/srv/a b.img: images of format vmdk are not read"},
    {"format-foreign", .devices = FILE_DISK("type='vmdk'", "dev='vda' bus='virtio'"),
     .severity = SEVERITY_WARNING, .says = "vmdk",
     .fix = "-f vmdk -O qcow2 '/srv/a b.img' '/srv/a b.img.qcow2'"},
    {"format-foreign", "qcow2"},
    {"format-unstated", .devices = FILE_DISK("type='auto'", "dev='vda' bus='virtio'"),
     .severity = SEVERITY_NOTE, .says = "guessed"},
    {"format-unstated", "qcow2"},
    {"encryption-aes", .image = QCOW2(.encryption = "aes"), .severity = SEVERITY_ERROR,
     .says = "AES"},
    {"encryption-aes", "luks", .image = QCOW2(.encryption = "luks")},
    {"encryption-aes", "plain", .image = QCOW2()},
    {"chain-long", "a few", .image = QCOW2(), .behind = 2, .severity = SEVERITY_NOTE,
     .says = "2 images", .fix = "qemu-img convert"},
    {"chain-long", "many", .image = QCOW2(), .behind = 5, .running = true,
     .severity = SEVERITY_WARNING, .says = "5 images", .fix = "virsh blockpull 'web' 'vda'"},
    {"chain-long", "broken", .image = QCOW2(), .behind = 5, .unread = "x",
     .severity = SEVERITY_WARNING, .says = "at least 5 images"},
    {"chain-long", "a template", .image = QCOW2(), .behind = 1},
    {"chain-limit", .image = QCOW2(), .behind = 26, .versions = {.libvirt = 11003000},
     .severity = SEVERITY_WARNING, .says = "libvirt is 11.3.0"},
    {"chain-limit", "new", .image = QCOW2(), .behind = 26, .versions = {.libvirt = 12000000}},
    {"chain-limit", "not known", .image = QCOW2(), .behind = 26},
    {"chain-limit", "short", .image = QCOW2(), .behind = 25, .versions = {.libvirt = 11003000}},
    {"image-sparse", .devices = RAW_DISK, .image = RAW(), .place = PLACE(),
     .severity = SEVERITY_NOTE, .says = "1 MiB of 1 GiB",
     .fix = "fallocate -l 1073741824 '/srv/a b.img'"},
    {"image-sparse", "full", RAW_DISK, .image = RAW(), .place = PLACE(.allocated_bytes = 1 << 30)},
    {"image-sparse", "by intent",
     FILE_DISK("type='raw' cache='none' discard='unmap'", "dev='vda' bus='virtio'"), .image = RAW(),
     .place = PLACE()},
    {"image-sparse", "native",
     FILE_DISK("type='raw' cache='none' io='native'", "dev='vda' bus='virtio'"), .image = RAW(),
     .place = PLACE()},
    {"image-sparse", "qcow2", .image = QCOW2(), .place = PLACE()},
    {"image-sparse", "NFS", RAW_DISK, .image = RAW(), .place = PLACE(.fs_magic = FS_NFS)},
    {"image-sparse", "btrfs", RAW_DISK, .image = RAW(), .place = PLACE(.fs_magic = FS_BTRFS)},
    {"image-fragmented", "heads", .image = QCOW2(), .device = HEADS,
     .place = PLACE(.allocated_bytes = 1 << 30, .extents_known = true, .extents = 8192),
     .severity = SEVERITY_WARNING, .says = "8192 pieces, of 128 KiB",
     .fix = "-o cluster_size=65536 '/srv/a b.img' '/srv/a b.img.new'"},
    {"image-fragmented", "flash", .image = QCOW2(.extended_l2 = true), .device = FLASH,
     .place =
         PLACE(.allocated_bytes = 1 << 30, .extents_known = true, .extents = PLACE_EXTENTS_MAX),
     .severity = SEVERITY_NOTE, .says = "more than 65536", .fix = "extended_l2=on"},
    {"image-fragmented", "snapshots", .image = QCOW2(.snapshots = 1), .device = FLASH,
     .place = PLACE(.allocated_bytes = 1 << 30, .extents_known = true, .extents = 8192),
     .severity = SEVERITY_NOTE, .says = "8192", .fix = "delete them"},
    {"image-fragmented", "large pieces", .image = QCOW2(), .device = HEADS,
     .place = PLACE(.allocated_bytes = GIB(100), .extents_known = true, .extents = 8192)},
    {"image-fragmented", "few pieces", .image = QCOW2(), .device = HEADS,
     .place = PLACE(.extents_known = true, .extents = 100)},
    {"image-fragmented", "compressed", .image = QCOW2(), .device = HEADS,
     .place = PLACE(.allocated_bytes = 1 << 30, .extents_known = true, .extents = 8192,
                    .encoded = true)},

    /* --- The header of a qcow2 --- */
    {"image-corrupt", .image = QCOW2(.corrupt = true), .severity = SEVERITY_ERROR,
     .says = "corrupt", .fix = "qemu-img check -f qcow2 '/srv/a b.img'"},
    {"image-corrupt", "sound", .image = QCOW2()},
    {"image-dirty", .image = QCOW2(.dirty = true), .severity = SEVERITY_NOTE, .says = "in use"},
    {"image-dirty", "it runs", .image = QCOW2(.dirty = true), .running = true},
    {"image-dirty", "closed", .image = QCOW2()},
    {"l2-cache-small", .image = QCOW2(.virtual_bytes = TIB(1), .allocated_bytes = GIB(600)),
     .severity = SEVERITY_WARNING, .says = "covers 256 GiB of 1 TiB",
     .fix = "<driver name='qemu' type='qcow2' cache='none'><metadata_cache>"
            "<max_size unit='bytes'>134479872</max_size></metadata_cache></driver>"},
    {"l2-cache-small", "little of it so far",
     .image = QCOW2(.virtual_bytes = TIB(1), .allocated_bytes = GIB(100)),
     .severity = SEVERITY_NOTE, .says = "less is allocated so far"},
    {"l2-cache-small", "a layer below", .behind = 1, .layer = 1,
     .image = QCOW2(.virtual_bytes = TIB(1), .allocated_bytes = GIB(600)),
     .severity = SEVERITY_NOTE, .says = "base1.img: QEMU's", .fix = "<backingStore>"},
    {"l2-cache-small", "covered", .image = QCOW2(.virtual_bytes = GIB(256))},
    {"l2-cache-small", "large clusters",
     .image =
         QCOW2(.virtual_bytes = TIB(1), .allocated_bytes = GIB(600), .cluster_bytes = 256 << 10)},
    {"l2-cache-small", "small clusters",
     .image = QCOW2(.virtual_bytes = GIB(64), .cluster_bytes = 4096, .allocated_bytes = GIB(60))},
    {"l2-cache-small", "stated", CACHE("<max_size unit='MiB'>129</max_size>"),
     .image = QCOW2(.virtual_bytes = TIB(1), .allocated_bytes = GIB(600))},
    {"l2-cache-small", "raw", RAW_DISK, .image = RAW(.virtual_bytes = TIB(1))},
    {"metadata-cache-reduces", .devices = CACHE("<max_size unit='bytes'>8388608</max_size>"),
     .image = QCOW2(.virtual_bytes = TIB(1)), .severity = SEVERITY_WARNING,
     .says = "allows 8 MiB, and without it QEMU would take 32.2 MiB",
     .fix = "<max_size unit='bytes'>134479872</max_size>"},
    {"metadata-cache-reduces", "all of a small disk", CACHE("<max_size unit='MiB'>2</max_size>"),
     .image = QCOW2()},
    {"metadata-cache-reduces", "more", CACHE("<max_size unit='MiB'>64</max_size>"),
     .image = QCOW2(.virtual_bytes = TIB(1))},
    {"metadata-cache-reduces", "a strange unit", CACHE("<max_size unit='pages'>64</max_size>"),
     .image = QCOW2(.virtual_bytes = TIB(1))},
    {"metadata-cache-reduces", "unstated", .image = QCOW2(.virtual_bytes = TIB(1))},
    {"metadata-cache-partial", .devices = CACHE("<max_size unit='MiB'>64</max_size>"),
     .image = QCOW2(.virtual_bytes = TIB(1)), .severity = SEVERITY_NOTE,
     .says = "allows 64 MiB, and the tables of this disk take 128.2 MiB"},
    {"metadata-cache-partial", "all", CACHE("<max_size unit='MiB'>129</max_size>"),
     .image = QCOW2(.virtual_bytes = TIB(1))},
    {"metadata-cache-partial", "less than ever", CACHE("<max_size unit='MiB'>8</max_size>"),
     .image = QCOW2(.virtual_bytes = TIB(1))},
    {"cluster-small", .image = QCOW2(.cluster_bytes = 4096), .severity = SEVERITY_NOTE,
     .says = "4 KiB", .fix = "-O qcow2 -o cluster_size=64k"},
    {"cluster-small", "too many tables", .severity = SEVERITY_NOTE,
     .image = QCOW2(.virtual_bytes = GIB(64), .cluster_bytes = 4096, .allocated_bytes = GIB(60)),
     .says = "covers 16 GiB of 64 GiB"},
    {"cluster-small", "usual", .image = QCOW2()},
    {"cluster-small", "a layer below", .image = QCOW2(.cluster_bytes = 4096), .behind = 1,
     .layer = 1},
    {"cluster-large", .image = QCOW2(.cluster_bytes = 2 << 20), .behind = 1,
     .severity = SEVERITY_WARNING, .says = "2 MiB",
     .fix = "-B 'base1.img' -F qcow2 -o cluster_size=128k,extended_l2=on"},
    {"cluster-large", "nothing to copy", .image = QCOW2(.cluster_bytes = 2 << 20)},
    {"cluster-large", "subclusters", .behind = 1,
     .image = QCOW2(.cluster_bytes = 2 << 20, .extended_l2 = true)},
    {"lazy-refcounts", .image = QCOW2(.lazy_refcounts = true), .severity = SEVERITY_NOTE,
     .says = "cache='none'", .fix = "-o lazy_refcounts=off '/srv/a b.img'"},
    {"lazy-refcounts", "of use",
     FILE_DISK("type='qcow2' cache='writethrough'", "dev='vda' bus='virtio'"),
     .image = QCOW2(.lazy_refcounts = true)},
    {"lazy-refcounts", "off", .image = QCOW2()},
    {"image-old-version", .image = QCOW2(.version = 2), .severity = SEVERITY_NOTE,
     .says = "compat=0.10", .fix = "-o compat=1.1"},
    {"image-old-version", "3", .image = QCOW2()},
    {"image-internal-snapshots", .image = QCOW2(.snapshots = 3), .severity = SEVERITY_NOTE,
     .says = "3 snapshots", .fix = "virsh snapshot-list 'web'"},
    {"image-internal-snapshots", "no domain", .image = QCOW2(.snapshots = 1), .nameless = true,
     .severity = SEVERITY_NOTE, .says = "1 snapshot inside", .fix = "qemu-img snapshot -l"},
    {"image-internal-snapshots", "none", .image = QCOW2()},
    {"image-bitmaps", .image = QCOW2(.bitmaps = 11), .severity = SEVERITY_NOTE,
     .says = "11 bitmaps"},
    {"image-bitmaps", "a few", .image = QCOW2(.bitmaps = 3)},
    {"data-file-raw", .image = QCOW2(.data_file = true, .data_file_raw = true),
     .severity = SEVERITY_NOTE, .says = "data_file_raw"},
    {"data-file-raw", "a data file", .image = QCOW2(.data_file = true)},
};

JUDGE_MAIN("check-image", &rules_bus, &rules_refused, &rules_image, &rules_qcow2)
