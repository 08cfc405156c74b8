#include "dump/sigbus.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The handler runs at any point of any thread, so the table takes no lock: a slot's start is written last and cleared first.
 * A thread that reads a mapping while another removes it is broken anyway.
 */
enum { SLOT_FREE = 0, SLOT_CLAIMED = 1 };

struct slot {
    atomic_uintptr_t start; /* SLOT_FREE, SLOT_CLAIMED, or the address */
    uintptr_t end;
    atomic_uint_fast64_t *lost_pages;
};

static struct slot slots[SIGBUS_MAPPINGS];
static struct sigaction previous;
static uintptr_t page_size;

static struct slot *slot_at(uintptr_t addr)
{
    for (size_t i = 0; i < SIGBUS_MAPPINGS; i++) {
        uintptr_t start = atomic_load_explicit(&slots[i].start, memory_order_acquire);
        if (start > SLOT_CLAIMED && addr >= start && addr < slots[i].end) return &slots[i];
    }
    return NULL;
}

/* Only mmap is called, a bare system call: safe in a handler. */
static bool replace_page(uintptr_t addr)
{
    struct slot *slot = slot_at(addr);
    void *page = (void *)(addr & ~(page_size - 1));

    if (!slot) return false;
    if (mmap(page, page_size, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) return false;
    atomic_fetch_add_explicit(slot->lost_pages, 1, memory_order_relaxed);
    return true;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code > 0 && replace_page((uintptr_t)info->si_addr)) return;
    sigaction(number, &previous, NULL);
    if (info->si_code <= 0) raise(number); /* sent by a process: returning would not repeat it */
}

static void install(void)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
}

bool sigbus_register(const void *addr, size_t size, atomic_uint_fast64_t *lost_pages)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    for (size_t i = 0; i < SIGBUS_MAPPINGS; i++) {
        uintptr_t expected = SLOT_FREE;
        if (!atomic_compare_exchange_strong(&slots[i].start, &expected, SLOT_CLAIMED)) continue;
        slots[i].end = (uintptr_t)addr + size;
        slots[i].lost_pages = lost_pages;
        atomic_store_explicit(&slots[i].start, (uintptr_t)addr, memory_order_release);
        return true;
    }
    return false;
}

void sigbus_unregister(const void *addr)
{
    for (size_t i = 0; i < SIGBUS_MAPPINGS; i++) {
        uintptr_t expected = (uintptr_t)addr;
        if (atomic_compare_exchange_strong(&slots[i].start, &expected, SLOT_FREE)) return;
    }
}
