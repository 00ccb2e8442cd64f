/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * made-modules.h - a kernel with made-up modules, in SCRATCH/lib/modules.
 *
 * A made-up module is an ELF file with nothing but symbols: depmod works out from those which
 * module needs which, as it does for real ones.
 */
#pragma once

#include <assert.h>
#include <elf.h>
#include <endian.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include <archive.h>
#include <archive_entry.h>

#include "host/kernel.h"
#include "scratch.h"

#define RELEASE "6.1.0-1-test"

static struct kernel fake_kernel;

enum section { NONE, EXPORTS, SYMBOLS, STRINGS, SECTION_NAMES, SECTIONS };

struct elf {
    Elf64_Ehdr header;
    Elf64_Shdr sections[SECTIONS];
    Elf64_Sym symbols[4];
    char exports[32];
    char strings[4][32];
    char section_names[SECTIONS][32];
};

struct fake {
    const char *file;
    const char *filter;   /* libarchive's name of what it is packed with; NULL: nothing */
    const char *text;     /* what is in it; NULL: an ELF file that … */
    const char *exports;  /* … has this symbol */
    const char *needs[4]; /* … and needs these of others */
};

static const struct fake fakes[] = {
    {"virtio.ko", NULL, NULL, "register_virtio_driver"},
    {"virtio_ring.ko", NULL, NULL, "vring_create", {"register_virtio_driver"}},
    {"a-modern.ko", NULL, NULL, "vp_modern_probe", {"vring_create"}},
    {"virtio_pci.ko", NULL, NULL, NULL, {"register_virtio_driver", "vp_modern_probe"}},
    {"virtio_blk.ko", NULL, NULL, NULL, {"register_virtio_driver", "vring_create", "in_kernel"}},
    {"soft.ko"},
    {"soft-first.ko", NULL, NULL, NULL, {"vring_create"}},
    {"soft-after.ko"},
    {"loop-a.ko"},
    {"loop-b.ko"},
    {"packed-gz.ko", "gzip"}, /* .ko.gz is what some depmods are built without */
    {"packed-xz.ko.xz", "xz"},
    {"packed-zst.ko.zst", "zstd"},
    {"text.ko", NULL, "no module"},
    {"packed-text.ko.xz", "xz", "no module"},
    {"packed-empty.ko.xz", "xz", ""},
    {"torn.ko", NULL, "\x1f\x8b\b\1\2\3\4\5\6\3torn"},
    {"empty.ko", NULL, ""},
    {"gone.ko"},
};

static const char built_in[] = "kernel/built-in.ko\nkernel/virtio_console.ko\n";

static const char softdeps[] = "softdep soft pre: built_in nowhere soft_first post: soft_after\n"
                               "softdep loop_a pre: loop_b\n"
                               "softdep loop_b pre: loop_a\n";

static void place(struct elf *elf, enum section section, const char *name, Elf64_Word type,
                  const void *from, size_t size)
{
    strcpy(elf->section_names[section], name);
    elf->sections[section] = (Elf64_Shdr){
        .sh_name = (Elf64_Word)(section * sizeof(elf->section_names[0])),
        .sh_type = type,
        .sh_offset = (Elf64_Off)((const char *)from - (const char *)elf),
        .sh_size = size,
    };
}

static struct elf make_elf(const char *exports, const char *const *needs)
{
    struct elf elf = {
        .header =
            {
                .e_type = ET_REL,
                .e_version = EV_CURRENT,
                .e_shoff = offsetof(struct elf, sections),
                .e_ehsize = sizeof(Elf64_Ehdr),
                .e_shentsize = sizeof(Elf64_Shdr),
                .e_shnum = SECTIONS,
                .e_shstrndx = SECTION_NAMES,
            },
    };
    memcpy(elf.header.e_ident, ELFMAG, SELFMAG);
    elf.header.e_ident[EI_CLASS] = ELFCLASS64;
    elf.header.e_ident[EI_DATA] = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
    elf.header.e_ident[EI_VERSION] = EV_CURRENT;
    strcpy(elf.exports, exports ? exports : "");
    for (size_t i = 1; needs[i - 1]; i++) {
        strcpy(elf.strings[i], needs[i - 1]);
        elf.symbols[i].st_name = (Elf64_Word)(i * sizeof(elf.strings[0]));
        elf.symbols[i].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE);
    }
    place(&elf, EXPORTS, "__ksymtab_strings", SHT_PROGBITS, elf.exports, strlen(elf.exports) + 1);
    place(&elf, SYMBOLS, ".symtab", SHT_SYMTAB, elf.symbols, sizeof(elf.symbols));
    place(&elf, STRINGS, ".strtab", SHT_STRTAB, elf.strings, sizeof(elf.strings));
    place(&elf, SECTION_NAMES, ".shstrtab", SHT_STRTAB, elf.section_names,
          sizeof(elf.section_names));
    elf.sections[SYMBOLS].sh_link = STRINGS;
    elf.sections[SYMBOLS].sh_entsize = sizeof(Elf64_Sym);
    return elf;
}

/* Writes the file, packed with libarchive's filter of this name unless that is NULL. */
static void write_file(const char *directory, const char *name, const char *filter,
                       const void *data, size_t length)
{
    cleanup_free char *path = xasprintf("%s/%s", directory, name);
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_set_format_raw(archive);
    assert(!filter || archive_write_add_filter_by_name(archive, filter) == ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert(archive_write_open_filename(archive, path) == ARCHIVE_OK);
    assert(archive_write_header(archive, entry) == ARCHIVE_OK);
    assert(archive_write_data(archive, data, length) == (la_ssize_t)length);
    assert(archive_write_close(archive) == ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
}

/* Some depmods look below /usr alone, hence the link. What they have to say about files that are
 * no modules is dropped. */
static void run_depmod(const char *root)
{
    const char *const argv[] = {"depmod", "-b", root, RELEASE, NULL};
    cleanup_free char *usr = xasprintf("%s/usr", root);
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    assert(symlink(".", usr) == 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    assert(!posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ));
    assert(waitpid(pid, &status, 0) == pid && status == 0);
    posix_spawn_file_actions_destroy(&actions);
}

/* Makes SCRATCH/lib/modules/RELEASE, with the modules above. */
static void make_kernel(void)
{
    fake_kernel.modules_dir = xasprintf("%s/lib/modules/" RELEASE, scratch);
    const char *modules = fake_kernel.modules_dir;
    cleanup_free char *files = xasprintf("%s/kernel", modules);
    cleanup_free char *gone = xasprintf("%s/gone.ko", files);
    assert(file_make_directories(files, NULL) == 0);
    for (const struct fake *fake = fakes; fake < fakes + ARRAY_SIZE(fakes); fake++) {
        struct elf elf = make_elf(fake->exports, fake->needs);
        if (fake->text)
            write_file(files, fake->file, fake->filter, fake->text, strlen(fake->text));
        else
            write_file(files, fake->file, fake->filter, &elf, sizeof(elf));
    }
    write_file(modules, "modules.order", NULL, "", 0);
    write_file(modules, "modules.builtin", NULL, built_in, strlen(built_in));
    run_depmod(scratch);
    write_file(modules, "modules.softdep", NULL, softdeps, strlen(softdeps));
    assert(unlink(gone) == 0);
}
