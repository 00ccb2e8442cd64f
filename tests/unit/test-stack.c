/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-stack.c - block devices and what they rest on, as machines of several kinds have them in
 * /sys, and as a made-up one never would.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "host/stack.h"
#include "tree.h"

/* A device by its number and its directory below /sys/devices. */
#define DEVICE(number, directory)                                                                  \
    {"sys/dev/block/" number, "-> ../../devices/" directory},                                      \
    {                                                                                              \
        "sys/devices/" directory "/dev", number "\n"                                               \
    }
#define AT(directory, name, text)                                                                  \
    {                                                                                              \
        "sys/devices/" directory "/" name, text                                                    \
    }
/* Where another device is that the one of this directory, three below /sys/devices, rests on. */
#define SLAVE(directory, name, other)                                                              \
    {                                                                                              \
        "sys/devices/" directory "/slaves/" name, "-> ../../../../" other                          \
    }

#define NVME "pci0000:00/0000:00:1d.0/nvme/nvme0/nvme0n1"
#define VDA "pci0000:00/0000:00:02.0/virtio1/block/vda"
#define SDA "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda"
#define SDB "pci0000:00/0000:00:1f.2/ata2/host1/target1:0:0/1:0:0:0/block/sdb"
#define HEAD "virtual/nvme-subsystem/nvme-subsys1/nvme1n1"
#define DM(n) "virtual/block/dm-" n

static const struct entry machine[] = {
    DEVICE("259:0", NVME),
    AT(NVME, "device", "-> ../../nvme0"),
    AT("pci0000:00/0000:00:1d.0/nvme/nvme0", "model", "Samsung SSD 980 PRO 1TB          \n"),
    AT("pci0000:00/0000:00:1d.0/nvme/nvme0", "device", "-> ../../../0000:00:1d.0"),
    AT("pci0000:00/0000:00:1d.0", "driver", "-> ../../../bus/pci/drivers/nvme"),
    AT("pci0000:00/0000:00:1d.0", "numa_node", "1\n"),
    AT(NVME, "queue/scheduler", "[none] mq-deadline kyber bfq \n"),
    AT(NVME, "queue/write_cache", "write back\n"),
    AT(NVME, "queue/rotational", "0\n"),
    AT(NVME, "queue/logical_block_size", "512\n"),
    AT(NVME, "queue/physical_block_size", "4096\n"),
    AT(NVME, "queue/nr_requests", "1023\n"),
    AT(NVME, "queue/max_sectors_kb", "128\n"),
    AT(NVME, "queue/wbt_lat_usec", "2000\n"),
    AT(NVME, "queue/nomerges", "0\n"),
    AT(NVME, "queue/rq_affinity", "1\n"),
    AT(NVME, "queue/fua", "1\n"),
    AT(NVME, "queue/read_ahead_kb", "128\n"),
    AT(NVME, "mq/0/", NULL),
    AT(NVME, "mq/1/", NULL),
    AT(NVME, "mq/10/", NULL),
    DEVICE("259:2", NVME "/nvme0n1p2"),
    AT(NVME "/nvme0n1p2", "partition", "2\n"),

    /* One with several paths: its device is a subsystem, which has no driver. */
    DEVICE("259:9", HEAD),
    AT(HEAD, "device", "-> ../../nvme-subsys1"),
    AT("virtual/nvme-subsystem/nvme-subsys1", "model", "INTEL SSDPE2KX010T8"),

    DEVICE("254:0", VDA),
    AT(VDA, "device", "-> ../../../virtio1"),
    AT("pci0000:00/0000:00:02.0/virtio1", "driver", "-> ../../../../bus/virtio/drivers/virtio_blk"),
    AT(VDA, "queue/rotational", "1\n"),

    DEVICE("8:0", SDA),
    AT(SDA, "device", "-> ../../../0:0:0:0"),
    AT(SDA, "../../driver", "-> ../../../../../../../bus/scsi/drivers/sd"),
    AT(SDA, "../../model", "ST4000NM0035-1V4\n"),
    AT("pci0000:00/0000:00:1f.2", "numa_node", "0\n"),
    AT(SDA, "queue/rotational", "1\n"),
    AT(SDA, "queue/scheduler", "none [mq-deadline]\n"),
    DEVICE("8:1", SDA "/sda1"),
    AT(SDA "/sda1", "partition", "1\n"),
    DEVICE("8:16", SDB),
    AT(SDB, "device", "-> ../../../1:0:0:0"),
    AT(SDB, "../../driver", "-> ../../../../../../../bus/scsi/drivers/sd"),
    AT(SDB, "../../model", "ST4000NM0035-1V4\n"),
    AT(SDB, "queue/rotational", "1\n"),
    DEVICE("8:17", SDB "/sdb1"),
    AT(SDB "/sdb1", "partition", "1\n"),

    DEVICE("9:0", "virtual/block/md0"),
    AT("virtual/block/md0", "md/level", "raid1\n"),
    AT("virtual/block/md0", "queue/rotational", "1\n"),
    AT("virtual/block/md0", "queue/scheduler", "none\n"),
    SLAVE("virtual/block/md0", "sda1", SDA "/sda1"),
    SLAVE("virtual/block/md0", "sdb1", SDB "/sdb1"),

    DEVICE("253:0", DM("0")),
    AT(DM("0"), "dm/name", "vg-images\n"),
    AT(DM("0"), "dm/uuid", "LVM-nQ0mUb3PXtwWzL8AnQ0mUb3PXtwWzL8A\n"),
    SLAVE(DM("0"), "md0", "virtual/block/md0"),

    DEVICE("253:1", DM("1")),
    AT(DM("1"), "queue/discard_max_bytes", "2147450880\n"),
    AT(DM("1"), "dm/name", "luks-root\n"),
    AT(DM("1"), "dm/uuid", "CRYPT-LUKS2-0123456789abcdef-luks-root\n"),
    SLAVE(DM("1"), "nvme0n1p2", NVME "/nvme0n1p2"),

    /* A thin volume, the pool that it and others rest on, and the pool's own two parts. */
    DEVICE("253:2", DM("2")),
    AT(DM("2"), "dm/name", "vg-thin\n"),
    AT(DM("2"), "dm/uuid", "LVM-nQ0mUb3PXtwWzL8Athin\n"),
    SLAVE(DM("2"), "dm-3", DM("3")),
    DEVICE("253:3", DM("3")),
    AT(DM("3"), "dm/name", "vg-pool-tpool\n"),
    AT(DM("3"), "dm/uuid", "LVM-nQ0mUb3PXtwWzL8Apool-tpool\n"),
    SLAVE(DM("3"), "dm-4", DM("4")),
    SLAVE(DM("3"), "dm-5", DM("5")),
    DEVICE("253:4", DM("4")),
    AT(DM("4"), "dm/name", "vg-pool_tmeta\n"),
    AT(DM("4"), "dm/uuid", "LVM-nQ0mUb3PXtwWzL8Ameta-tmeta\n"),
    SLAVE(DM("4"), "nvme0n1", NVME),
    DEVICE("253:5", DM("5")),
    AT(DM("5"), "dm/name", "vg-pool_tdata\n"),
    AT(DM("5"), "dm/uuid", "LVM-nQ0mUb3PXtwWzL8Adata-tdata\n"),
    SLAVE(DM("5"), "nvme0n1", NVME),
    /* The pool's own name rests on the same, and is no volume. */
    DEVICE("253:6", DM("6")),
    AT(DM("6"), "dm/name", "vg-pool\n"),
    AT(DM("6"), "dm/uuid", "LVM-nQ0mUb3PXtwWzL8Apool-pool\n"),
    SLAVE(DM("6"), "dm-3", DM("3")),

    DEVICE("253:7", DM("7")),
    AT(DM("7"), "dm/name", "mpatha\n"),
    AT(DM("7"), "dm/uuid", "mpath-3600508b400105e210000900000490000\n"),
    SLAVE(DM("7"), "sda", SDA),
    SLAVE(DM("7"), "sdb", SDB),
    DEVICE("253:8", DM("8")),
    AT(DM("8"), "dm/name", "mpatha1\n"),
    AT(DM("8"), "dm/uuid", "part1-mpath-3600508b400105e210000900000490000\n"),
    SLAVE(DM("8"), "dm-7", DM("7")),

    DEVICE("7:0", "virtual/block/loop0"),
    AT("virtual/block/loop0", "loop/backing_file", "/srv/a disk.img\n"),
    AT("virtual/block/loop0", "loop/dio", "0\n"),
    AT("virtual/block/loop0", "queue/rotational", "1\n"),
    DEVICE("252:0", "virtual/block/zram0"),
    AT("virtual/block/zram0", "queue/rotational", "1\n"),
    {NULL, NULL},
};

struct scene {
    struct root *root;
    struct stack *stack;
};

static int set_up(void **state)
{
    static struct scene scene;
    if (scratch_set_up(state) < 0)
        return -1;
    make_entries(scratch, machine);
    scene.root = root_open(scratch, NULL);
    scene.stack = stack_new(scene.root);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    stack_free(scene->stack);
    root_free(scene->root);
    return scratch_tear_down(state);
}

static void assert_text(const char *text, const char *wanted)
{
    assert_string_equal(text ? text : "(none)", wanted ? wanted : "(none)");
}

static const struct {
    unsigned major, minor;
    enum device_kind kind;
    const char *name, *label, *driver, *detail, *described;
    bool rotating;
} rows[] = {
    {259, 0, DEVICE_DISK, "nvme0n1", "nvme0n1", "nvme", NULL, "nvme0n1", false},
    {259, 2, DEVICE_PARTITION, "nvme0n1p2", "nvme0n1p2", NULL, NULL, "nvme0n1p2", false},
    {259, 9, DEVICE_DISK, "nvme1n1", "nvme1n1", "nvme", NULL, "nvme1n1", false},
    {254, 0, DEVICE_DISK, "vda", "vda", "virtio_blk", NULL, "vda", false},
    {8, 0, DEVICE_DISK, "sda", "sda", "sd", NULL, "sda", true},
    {8, 17, DEVICE_PARTITION, "sdb1", "sdb1", NULL, NULL, "sdb1", true},
    {9, 0, DEVICE_RAID, "md0", "md0 (raid1)", NULL, "raid1", "md0 (raid1) on sda1, sdb1", true},
    {253, 0, DEVICE_LVM, "dm-0", "vg-images", NULL, NULL, "vg-images on md0 (raid1) on sda1, sdb1",
     true},
    {253, 1, DEVICE_CRYPT, "dm-1", "luks-root", NULL, "LUKS2", "luks-root on nvme0n1p2", false},
    {253, 2, DEVICE_THIN, "dm-2", "vg-thin", NULL, NULL,
     "vg-thin on vg-pool-tpool on vg-pool_tmeta, vg-pool_tdata on nvme0n1", false},
    {253, 3, DEVICE_LVM, "dm-3", "vg-pool-tpool", NULL, NULL,
     "vg-pool-tpool on vg-pool_tmeta, vg-pool_tdata on nvme0n1", false},
    {253, 6, DEVICE_LVM, "dm-6", "vg-pool", NULL, NULL,
     "vg-pool on vg-pool-tpool on vg-pool_tmeta, vg-pool_tdata on nvme0n1", false},
    {253, 7, DEVICE_MULTIPATH, "dm-7", "mpatha", NULL, NULL, "mpatha on sda, sdb", true},
    {253, 8, DEVICE_MAPPER, "dm-8", "mpatha1", NULL, NULL, "mpatha1 on mpatha on sda, sdb", true},
    {7, 0, DEVICE_LOOP, "loop0", "loop0", NULL, "/srv/a disk.img", "loop0", false},
    {252, 0, DEVICE_OTHER_KIND, "zram0", "zram0", NULL, NULL, "zram0", false},
};

static void test_kinds(void **state)
{
    struct scene *scene = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        dev_t number = makedev(rows[i].major, rows[i].minor);
        const struct block_device *d = stack_find(scene->stack, number);
        assert_non_null(d);
        assert_true(d->number == number && d == stack_find(scene->stack, number));
        assert_int_equal(d->kind, rows[i].kind);
        assert_string_equal(d->name, rows[i].name);
        assert_string_equal(d->label, rows[i].label);
        assert_text(d->driver, rows[i].driver);
        assert_text(d->detail, rows[i].detail);
        cleanup_free char *described = stack_describe(d);
        assert_string_equal(described, rows[i].described);
        if (stack_is_rotating(d) != rows[i].rotating)
            fail_msg("%s is said to be the other", rows[i].name);
    }
    assert_null(stack_find(scene->stack, makedev(0, 35)));
    assert_null(stack_find(scene->stack, 0));
}

/* A partition has the queue of its disk. */
static void test_queues(void **state)
{
    struct scene *scene = *state;
    static const unsigned minors[] = {0, 2};
    for (size_t i = 0; i < ARRAY_SIZE(minors); i++) {
        const struct block_device *d = stack_find(scene->stack, makedev(259, minors[i]));
        assert_string_equal(d->scheduler, "none");
        assert_string_equal(d->write_cache, "write back");
        assert_true(d->rotational == 0 && d->logical_block_bytes == 512 &&
                    d->physical_block_bytes == 4096 && d->requests == 1023 &&
                    d->max_sectors_kib == 128 && d->wbt_us == 2000 && d->merges_off == 0 &&
                    d->affinity == 1 && d->fua == 1 && d->read_ahead_kib == 128 &&
                    d->hardware_queues == 3 && d->numa_node == 1 && d->direct_io == -1);
        assert_text(d->model, minors[i] ? NULL : "Samsung SSD 980 PRO 1TB");
    }
    const struct block_device *sda = stack_find(scene->stack, makedev(8, 0));
    assert_string_equal(sda->scheduler, "mq-deadline");
    assert_null(sda->write_cache);
    assert_true(sda->numa_node == 0 && sda->hardware_queues == -1 && sda->requests == -1);
    const struct block_device *luks = stack_find(scene->stack, makedev(253, 1));
    assert_true(luks->discard_max_bytes == 2147450880 && sda->discard_max_bytes == -1);
    const struct block_device *loop = stack_find(scene->stack, makedev(7, 0));
    assert_true(loop->direct_io == 0 && loop->numa_node == -1);
    assert_null(loop->scheduler);
}

static void test_below(void **state)
{
    struct scene *scene = *state;
    const struct block_device *images = stack_find(scene->stack, makedev(253, 0));
    assert_true(stack_below(images, DEVICE_LVM) == images);
    assert_true(stack_below(images, DEVICE_RAID) == images->below->pdata[0]);
    assert_string_equal(stack_below(images, DEVICE_PARTITION)->name, "sda1");
    assert_string_equal(stack_below(images, DEVICE_DISK)->name, "sda");
    assert_null(stack_below(images, DEVICE_THIN));
    const struct block_device *paths = stack_find(scene->stack, makedev(253, 8));
    const struct block_device *first = stack_below(paths, DEVICE_DISK);
    assert_true(first->is_path && !paths->is_path &&
                !stack_below(paths, DEVICE_MULTIPATH)->is_path);
    assert_false(stack_find(scene->stack, makedev(259, 0))->is_path);
    const struct block_device *part = stack_find(scene->stack, makedev(8, 1));
    assert_true(part->below->pdata[0] == stack_find(scene->stack, makedev(8, 0)));
}

/* What was looked for and all below it, and no more. */
static void test_seen(void **state)
{
    struct scene *scene = *state;
    static const char *const names[] = {"dm-0", "md0", "sda", "sda1", "sdb", "sdb1"};
    cleanup_stack struct stack *stack = stack_new(scene->root);
    g_autoptr(GPtrArray) none = stack_seen(stack);
    assert_int_equal(none->len, 0);
    stack_find(stack, makedev(253, 0));
    stack_find(stack, makedev(253, 99));
    g_autoptr(GPtrArray) seen = stack_seen(stack);
    assert_int_equal(seen->len, ARRAY_SIZE(names));
    for (size_t i = 0; i < seen->len; i++) {
        const struct block_device *d = seen->pdata[i];
        assert_string_equal(d->name, names[i]);
    }
}

static void *look_at_all(void *data)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        stack_find(data, makedev(rows[i].major, rows[i].minor));
    return NULL;
}

static void test_threads(void **state)
{
    struct scene *scene = *state;
    cleanup_stack struct stack *stack = stack_new(scene->root);
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_at_all, stack), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    g_autoptr(GPtrArray) seen = stack_seen(stack);
    assert_int_equal(seen->len, 20);
}

/* --- What no machine has ---------------------------------------------------------------------- */

/* Devices 1:0 to 1:(count - 1), each of which rests on the next two. */
static void make_ladder(const char *directory, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cleanup_free char *number = xasprintf("1:%u\n", i);
        cleanup_free char *link = xasprintf("sys/dev/block/1:%u", i);
        cleanup_free char *dev = xasprintf("sys/block/r%u/dev", i);
        cleanup_free char *target = xasprintf("-> ../../block/r%u", i);
        cleanup_free char *one = xasprintf("sys/block/r%u/slaves/a", i);
        cleanup_free char *two = xasprintf("sys/block/r%u/slaves/b", i);
        cleanup_free char *next = xasprintf("-> ../../r%u", i + 1);
        cleanup_free char *after = xasprintf("-> ../../r%u", i + 2);
        const struct entry entries[] = {
            {link, target}, {dev, number}, {one, next}, {two, after}, {NULL, NULL},
        };
        make_entries(directory, entries);
    }
}

/* As many ways down as there are would never be walked to the end. */
static void test_a_deep_stack(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("deep");
    make_ladder(directory, 200);
    cleanup_root struct root *r = root_open(directory, NULL);
    cleanup_stack struct stack *stack = stack_new(r);
    const struct block_device *d = stack_find(stack, makedev(1, 0));
    assert_non_null(d);
    g_autoptr(GPtrArray) seen = stack_seen(stack);
    assert_true(seen->len > 30 && seen->len < 100);
    cleanup_free char *text = stack_describe(d);
    assert_true(g_str_has_prefix(text, "r0 on r1, r2 on r3, r4 on "));
    assert_null(stack_below(d, DEVICE_DISK));
    assert_false(stack_is_rotating(d));
}

static void test_circles(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("circle");
    static const struct entry entries[] = {
        DEVICE("1:0", "a"),
        AT("a", "slaves/a", "-> ../../a"),
        AT("a", "slaves/b", "-> ../../b"),
        AT("a", "slaves/gone", "-> ../../gone"),
        AT("a", "slaves/odd/dev", "no number"),
        DEVICE("1:1", "b"),
        AT("b", "slaves/c", "-> ../../c"),
        DEVICE("1:2", "c"),
        AT("c", "slaves/a", "-> ../../a"),
        AT("c", "slaves/b", "-> ../../b"),
        /* A partition whose disk is itself. */
        DEVICE("1:3", "p"),
        AT("p", "partition", "1"),
        AT("", "dev", "1:3"),
        /* A disk that is no link has no name. */
        {"sys/dev/block/1:4/dev", "1:4"},
        DEVICE("1:5", "line\nbreak"),
        {NULL, NULL},
    };
    make_entries(directory, entries);
    cleanup_root struct root *r = root_open(directory, NULL);
    cleanup_stack struct stack *stack = stack_new(r);
    static const char *const described[] = {"a on b on c", "b on c", "c", "p", NULL, "line break"};
    for (unsigned i = 0; i < ARRAY_SIZE(described); i++) {
        const struct block_device *d = stack_find(stack, makedev(1, i));
        cleanup_free char *text = d ? stack_describe(d) : NULL;
        assert_text(text, described[i]);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",     "8",     "8:",      ":8",           "-1:0", "8:-1",
                                        " 8:0", "8:0 ",  "8:0:0",   "1000000000:0", "8: 0", "0x8:0",
                                        "8:0x", "8\n:0", "8:0\n\n", "8:0\n1"};
    dev_t number = 0;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (stack_parse_number(wrong[i], &number))
            fail_msg("\"%s\" is read", wrong[i]);
    assert_true(stack_parse_number("259:1048575\n", &number) && number == makedev(259, 1048575));
    assert_true(stack_parse_number("0:35", &number) && number == makedev(0, 35));
}

/* Whatever this machine's disk is, it has a name and a queue. */
static void test_this_machine(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(scratch, &st), 0);
    cleanup_root struct root *r = root_open(NULL, NULL);
    cleanup_stack struct stack *stack = stack_new(r);
    const struct block_device *d = stack_find(stack, st.st_dev);
    if (!d)
        skip();
    assert_true(d->name[0] && d->label[0] && d->logical_block_bytes >= 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_below),        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_a_deep_stack),
        cmocka_unit_test(test_circles),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests_name("stack", tests, set_up, tear_down);
}
