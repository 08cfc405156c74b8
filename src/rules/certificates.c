/*
 * Certificates that nobody disposed.
 *
 *     X509Certificate2 {<Pal>: OpenSslX509CertificateReader {_cert: SafeX509Handle, _privateKey}}     Pal null: disposed
 *
 * What is small on the GC heap is kilobytes in OpenSSL's: the GC sees no reason to collect them.
 */
#include "rules/many.h"

enum { CERTIFICATES_MIN = 200, CERTIFICATES_PROVEN = 400 };

static const char *const types[] = { "System.Security.Cryptography.X509Certificates.X509Certificate2", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Security.Cryptography.X509Certificates.X509Certificate2", .method = ".ctor" },
    { .type = "System.Security.Cryptography.X509Certificates.X509CertificateLoader", .method = "Load*" },
    { .type = "System.Security.Cryptography.X509Certificates.X509Store", .method = "get_Certificates" },
};

static bool is_open(struct clr *clr, uint64_t addr)
{
    return managed_follow_object(clr, addr, "<Pal>k__BackingField") != 0;
}

/* A store of hundreds of different ones is what certificates are for. */
static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    *drop_ret = found->verdict == LABELS_VARY;
    finding_evidence(finding, "each has an X509 structure in OpenSSL's memory, which no size on the GC heap shows");
    finding_look(finding, "native");
    return NULL;
}

static const struct many certificates = {
    .rule = "certificates",
    .doc = "docs/causes/certificates.md",
    .kind = "native",
    .types = types,
    .least = CERTIFICATES_MIN,
    .proven = CERTIFICATES_PROVEN,
    .noun = "X509Certificate2",
    .state = "are alive and not disposed",
    .cause = "the same certificate is read again and again, and kept",
    .fix = "read it once and keep that one; dispose those that are needed for a moment, also the ones that a store's collection "
           "returns",
    .label = "_lazySubject",
    .label_noun = "subjects",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_open,
    .tell = tell,
};

static struct error *certificates_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &certificates);
}

const struct rule rule_certificates = {
    .name = "certificates",
    .summary = "the same certificate is read again and again, and not disposed",
    .refines = "accumulation",
    .run = certificates_run,
};
