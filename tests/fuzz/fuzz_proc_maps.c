/* /proc/N/maps, and the lines of our own note in a core. */
#include "dump/core_notes.h"
#include "dump/proc_maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proc_maps iter;
    struct proc_map map;
    struct dump dump = { 0 };
    struct dump_thread thread = { .os_id = 1 };

    proc_maps_begin(&iter, (struct span) { data, size });
    while (proc_maps_next(&iter, &map))
        if (map.start >= map.end) __builtin_trap();
    arena_init(&dump.arena);
    if (vec_push(&dump.threads, thread)) {
        core_note_read(&dump, (struct span) { data, size });
        core_note_name_threads(&dump, dump.own_note);
    }
    vec_deinit(&dump.threads);
    arena_deinit(&dump.arena);
    return 0;
}
