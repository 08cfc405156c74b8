/*
 * Uses malloc in many ways, then prints malloc_info to a file and stands still to be dumped.
 *     heaps FILE THREADS [memalign|large|foreign|blocked|fork|fast]...
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 4000 };

static char report[1 << 20], buffer[1 << 20];
static pthread_barrier_t barrier;
static int wants_memalign, wants_large;

static unsigned next_random(unsigned *state)
{
    return *state = *state * 1103515245 + 12345, *state >> 8;
}

static void use_malloc(unsigned seed)
{
    static __thread void *blocks[BLOCKS];
    unsigned state = seed * 7919 + 1;

    for (int i = 0; i < BLOCKS; i++) {
        size_t size = next_random(&state) % (i % 50 ? 400 : 40000);

        blocks[i] = wants_memalign && i % 7 == 0 ? memalign(64 << i % 5, size) : malloc(size);
        if (size) memset(blocks[i], i, size);
        if (i % 3 == 0 && i > 10) {
            int k = next_random(&state) % i;

            free(blocks[k]);
            blocks[k] = NULL;
        }
    }
    for (int i = 0; i < 6; i++) {
        void *block = wants_memalign ? memalign(4096 << i, 300000) : malloc(200000 + 70000 * i);
        if (i % 2) free(block);
    }
    for (int i = 0; wants_large && i < 40000; i++)
        memset(malloc(5000), i, 5000); /* several heaps of 64 MiB */
}

static void *run(void *seed)
{
    use_malloc((unsigned)(size_t)seed);
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

static void *end(void *seed)
{
    use_malloc((unsigned)(size_t)seed);
    return NULL;
}

static int wants(int argc, char **argv, const char *word)
{
    for (int i = 3; i < argc; i++)
        if (!strcmp(argv[i], word)) return 1;
    return 0;
}

int main(int argc, char **argv)
{
    int threads = argc > 2 ? atoi(argv[2]) : 0;
    pthread_t thread;
    FILE *out;

    if (argc < 3) return 2;
    wants_memalign = wants(argc, argv, "memalign");
    if (wants(argc, argv, "fast")) mallopt(M_MXFAST, 160);
    use_malloc(1);
    if (wants(argc, argv, "blocked")) {
        char *end_of_heap = sbrk(0);
        mmap(end_of_heap, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        use_malloc(2);
    }
    if (wants(argc, argv, "foreign")) {
        memset(sbrk(12345), 0x5a, 12345);
        use_malloc(3);
        memset(sbrk(50000), 0x5a, 50000);
        use_malloc(4);
    }
    pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        wants_large = i == 0 && wants(argc, argv, "large");
        pthread_create(&thread, NULL, run, (void *)(size_t)(i + 10));
        if (wants_large) usleep(500000);
        if (i % 2 == 0) {
            pthread_create(&thread, NULL, end, (void *)(size_t)(i + 100));
            pthread_join(thread, NULL);
        }
    }
    pthread_barrier_wait(&barrier);
    usleep(200000);
    if (wants(argc, argv, "fork") && fork()) {
        wait(NULL);
        return 0;
    }
    out = fmemopen(report, sizeof(report), "w");
    setvbuf(out, buffer, _IOFBF, sizeof(buffer));
    malloc_info(0, out);
    fflush(out);
    int fd = fileno(freopen(argv[1], "w", stdout)); /* its buffer comes later than the report, and stdio's is not used */
    if (write(fd, report, strlen(report)) < 0) return 1;
    malloc_info(0, out); /* once more: freopen has used malloc */
    fflush(out);
    char *second = strstr(report + 8, "<malloc");
    if (second && (lseek(fd, 0, SEEK_SET) || ftruncate(fd, 0) || write(fd, second, strlen(second)) < 0)) return 1;
    close(fd);
    if (rename(argv[1], strcat(strcpy(buffer + sizeof(buffer) / 2, argv[1]), ".xml"))) return 1;
    pause();
    return 0;
}
