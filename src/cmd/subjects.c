/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/subjects.h"

#include "domain/lookup.h"

int subjects_parse(int argc, char **argv, const char *summary, const GOptionEntry *own,
                   struct common_options *common, struct subjects *s, struct error **err)
{
    static const char *const many[] = {"--xml", "--image", NULL};
    const GOptionEntry shared[] = {
        {"all", 0, 0, G_OPTION_ARG_NONE, &s->all, "Every domain there is (so without any argument)",
         NULL},
        {"xml", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &s->xml,
         "Domains in files, up to the next option", "FILE…"},
        {"image", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &s->images,
         "Images by themselves, up to the next option", "FILE…"},
    };
    g_autoptr(GArray) all = g_array_new(/* zero_terminated = */ TRUE, FALSE, sizeof(GOptionEntry));
    g_array_append_vals(all, shared, ARRAY_SIZE(shared));
    for (; own->long_name; own++)
        g_array_append_val(all, *own);
    g_autofree char **spread = options_spread(&argc, argv, many);
    s->domains = (struct operand){.name = "[DOMAIN…] ", .many = true};
    if (options_parse(argc, spread, summary, (const GOptionEntry *)all->data, common, NULL, NULL,
                      &s->domains, err) < 0)
        return -1;
    /* The words themselves are the process's; the array that they are in goes with this scope. */
    s->domains.values = g_memdup2(s->domains.values, s->domains.count * sizeof(char *));
    return 0;
}

void subjects_done(struct subjects *s)
{
    g_strfreev(s->xml);
    g_strfreev(s->images);
    g_free(s->domains.values);
}

bool subjects_want_domains(const struct subjects *s)
{
    return s->all || s->domains.count || (!s->xml && !s->images);
}

static int add_all_domains(const struct connection *c, GPtrArray *inquiries, struct error **err)
{
    g_autoptr(GPtrArray) domains = lookup_domains(c, err);
    for (guint i = 0; domains && i < domains->len; i++) {
        virDomainRef(domains->pdata[i]);
        struct inquiry *one = inquiry_of_domain(domains->pdata[i]);
        one->listed = true;
        g_ptr_array_add(inquiries, one);
    }
    return domains ? 0 : -1;
}

int subjects_add_domains(const struct subjects *s, const struct connection *c, GPtrArray *inquiries,
                         struct error **err)
{
    if (s->all || !s->domains.count)
        return add_all_domains(c, inquiries, err);
    for (size_t i = 0; i < s->domains.count; i++) {
        virDomainPtr domain = lookup_domain(c, s->domains.values[i], err);
        if (!domain)
            return -1;
        g_ptr_array_add(inquiries, inquiry_of_domain(domain));
    }
    return 0;
}

/* By an absolute path, which nothing is taken out of: behind a symbolic link "..", as the kernel
 * has it, is not what is written before it. */
static char *absolute(const char *path, const char *directory)
{
    g_autofree char *here = directory ? g_strdup(directory) : g_get_current_dir();
    return g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(here, path, NULL);
}

void subjects_add_files(const struct subjects *s, const char *directory, GPtrArray *inquiries)
{
    for (char **file = s->xml; file && *file; file++)
        g_ptr_array_add(inquiries, inquiry_of_file(*file));
    for (char **image = s->images; image && *image; image++) {
        g_autofree char *path = absolute(*image, directory);
        g_ptr_array_add(inquiries, inquiry_of_image(path));
    }
}

struct versions subjects_versions(const struct connection *c, const struct host_facts *facts)
{
    if (!c)
        return (struct versions){host_facts_qemu_version(facts), LIBVIR_VERSION_NUMBER};
    struct versions v = connection_versions(c);
    /* That of another hypervisor is none of QEMU's. */
    if (g_strcmp0(virConnectGetType(c->handle), "QEMU") != 0)
        v.qemu = 0;
    return v;
}
