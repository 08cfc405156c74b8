/*
 * zstd, gzip, lz4 and xz behind one interface.
 */
#include <stdlib.h>

#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "base/vec.h"
#include "dump/byte_file_internal.h"

enum {
    ZSTD_WINDOW_LOG = 31,       /* zstd --ultra --long=31; the memory is taken only as content comes */
    GZIP_WINDOW_BITS = 15 + 16, /* zlib: 16 asks for the gzip header */
};
#define XZ_MEMORY_MAX (UINT64_C(1) << 30)

static void advance(struct span *in, size_t taken, struct decode_output *out, size_t made)
{
    *in = span_from(*in, taken);
    out->used += made;
}

/* Skippable frames of zstd and lz4: 0x184d2a50 to 0x184d2a5f, little endian. */
static bool may_start_skippable(uint8_t first)
{
    return (first & 0xf0) == 0x50;
}

static bool plain_may_start(uint8_t first)
{
    (void)first;
    return true;
}

static void *plain_create(void)
{
    return malloc(1);
}

static enum decode_status plain_decode(void *state, struct span *in, struct decode_output *out, const char **why)
{
    size_t size = out->size - out->used;

    (void)state, (void)why;
    if (size > in->size) size = in->size;
    if (size) memcpy(out->data + out->used, in->data, size);
    advance(in, size, out, size);
    return DECODE_ENDED;
}

static bool zstd_may_start(uint8_t first)
{
    return first == 0x28 || may_start_skippable(first);
}

static void *zstd_create(void)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();

    if (zstd) ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    return zstd;
}

static void zstd_destroy(void *state)
{
    ZSTD_freeDCtx(state);
}

static enum decode_status zstd_decode(void *state, struct span *in, struct decode_output *out, const char **why)
{
    ZSTD_inBuffer from = { in->data, in->size, 0 };
    ZSTD_outBuffer to = { out->data + out->used, out->size - out->used, 0 };
    size_t result = ZSTD_decompressStream(state, &to, &from);

    advance(in, from.pos, out, to.pos);
    if (!ZSTD_isError(result)) return result == 0 ? DECODE_ENDED : DECODE_MORE;
    *why = ZSTD_getErrorName(result);
    return DECODE_DAMAGED;
}

static bool gzip_may_start(uint8_t first)
{
    return first == 0x1f;
}

static void *gzip_create(void)
{
    z_stream *stream = calloc(1, sizeof(*stream));

    if (stream && inflateInit2(stream, GZIP_WINDOW_BITS) == Z_OK) return stream;
    free(stream);
    return NULL;
}

static void gzip_destroy(void *state)
{
    if (state) inflateEnd(state);
    free(state);
}

static enum decode_status gzip_decode(void *state, struct span *in, struct decode_output *out, const char **why)
{
    z_stream *stream = state;
    uInt room = (uInt)(out->size - out->used);
    int result;

    stream->next_in = (Bytef *)in->data;
    stream->avail_in = (uInt)in->size;
    stream->next_out = out->data + out->used;
    stream->avail_out = room;
    result = inflate(stream, Z_NO_FLUSH);
    advance(in, in->size - stream->avail_in, out, room - stream->avail_out);
    if (result == Z_STREAM_END) {
        inflateReset(stream);
        return DECODE_ENDED;
    }
    if (result == Z_OK || result == Z_BUF_ERROR) return DECODE_MORE;
    *why = stream->msg ? stream->msg : "invalid data";
    return DECODE_DAMAGED;
}

static bool lz4_may_start(uint8_t first)
{
    return first == 0x04 || may_start_skippable(first);
}

static void *lz4_create(void)
{
    LZ4F_dctx *lz4;

    return LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)) ? NULL : lz4;
}

static void lz4_destroy(void *state)
{
    LZ4F_freeDecompressionContext(state);
}

static enum decode_status lz4_decode(void *state, struct span *in, struct decode_output *out, const char **why)
{
    size_t taken = in->size, made = out->size - out->used;
    size_t result = LZ4F_decompress(state, out->data + out->used, &made, in->data, &taken, NULL);

    if (!LZ4F_isError(result)) {
        advance(in, taken, out, made);
        return result == 0 ? DECODE_ENDED : DECODE_MORE;
    }
    *why = LZ4F_getErrorName(result);
    return DECODE_DAMAGED;
}

static bool xz_may_start(uint8_t first)
{
    return first == 0xfd;
}

struct xz {
    lzma_stream stream;
    bool ended;
};

static bool xz_start(struct xz *xz)
{
    xz->ended = false;
    return lzma_stream_decoder(&xz->stream, XZ_MEMORY_MAX, 0) == LZMA_OK;
}

static void xz_destroy(void *state)
{
    struct xz *xz = state;

    if (xz) lzma_end(&xz->stream);
    free(xz);
}

static void *xz_create(void)
{
    struct xz *xz = calloc(1, sizeof(*xz));

    if (!xz) return NULL;
    xz->stream = (lzma_stream)LZMA_STREAM_INIT;
    if (xz_start(xz)) return xz;
    xz_destroy(xz);
    return NULL;
}

static const char *xz_error(lzma_ret result)
{
    switch (result) {
    case LZMA_MEMLIMIT_ERROR:
        return "it needs more than 1 GiB to decompress";
    case LZMA_MEM_ERROR:
        return "out of memory";
    case LZMA_FORMAT_ERROR:
        return "no xz header";
    case LZMA_OPTIONS_ERROR:
        return "unknown options";
    default:
        return "invalid data";
    }
}

static enum decode_status xz_decode(void *state, struct span *in, struct decode_output *out, const char **why)
{
    struct xz *xz = state;
    size_t room = out->size - out->used;
    lzma_ret result;

    if (xz->ended && !xz_start(xz)) {
        *why = "out of memory";
        return DECODE_DAMAGED;
    }
    xz->stream.next_in = in->data;
    xz->stream.avail_in = in->size;
    xz->stream.next_out = out->data + out->used;
    xz->stream.avail_out = room;
    result = lzma_code(&xz->stream, LZMA_RUN);
    advance(in, in->size - xz->stream.avail_in, out, room - xz->stream.avail_out);
    if (result == LZMA_OK || result == LZMA_BUF_ERROR) return DECODE_MORE;
    xz->ended = result == LZMA_STREAM_END;
    if (xz->ended) return DECODE_ENDED;
    *why = xz_error(result);
    return DECODE_DAMAGED;
}

static const struct decoder decoders[] = {
    { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, zstd_may_start, zstd_create, zstd_destroy, zstd_decode },
    { "gzip", { 0x1f, 0x8b, 0x08 }, 3, gzip_may_start, gzip_create, gzip_destroy, gzip_decode },
    { "lz4", { 0x04, 0x22, 0x4d, 0x18 }, 4, lz4_may_start, lz4_create, lz4_destroy, lz4_decode },
    { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0x00 }, 6, xz_may_start, xz_create, xz_destroy, xz_decode },
};

static const struct decoder plain_decoder = { "plain", { 0 }, 0, plain_may_start, plain_create, free, plain_decode };

const struct decoder *decoder_for(struct span head)
{
    for (size_t i = 0; i < ARRAY_LENGTH(decoders); i++) {
        const struct decoder *decoder = &decoders[i];
        if (head.size >= decoder->magic_size && !memcmp(head.data, decoder->magic, decoder->magic_size)) return decoder;
    }
    return &plain_decoder;
}

bool decoder_is_plain(const struct decoder *decoder)
{
    return decoder == &plain_decoder;
}
