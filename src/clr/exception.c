#include "clr/exception.h"

#include <string.h>

#include "base/limits.h"
#include "clr/field_desc.h"

enum { FRAMES_OFF = 16, FRAME_SIZE = 32, FRAME_IP_ADJUSTED = 2 };

bool clr_type_is_exception(struct clr *clr, uint64_t mt_addr)
{
    const struct clr_type *type = clr_type_get(clr, mt_addr);

    for (unsigned i = 0; type && i < LIMIT_PARENT_DEPTH; i++) {
        /* Its base is System.Object: only such types need a look at the name. */
        const struct clr_type *parent = type->parent_addr ? clr_type_get(clr, type->parent_addr) : NULL;

        if (parent && !parent->parent_addr) return !strcmp(clr_type_name(clr, type->mt_addr), "System.Exception");
        type = parent;
    }
    return false;
}

static uint64_t reference(struct clr *clr, const struct clr_object *object, const char *name)
{
    struct clr_field field;
    uint64_t addr;

    if (!clr_field_find(clr, object->type->mt_addr, name, &field)) return 0;
    return memory_try_u64(clr->memory, object->addr + 8 + field.offset, &addr) ? addr : 0;
}

/* Finds the array of frames behind _stackTrace. */
static void read_frames(struct clr *clr, uint64_t trace, struct clr_exception *exception)
{
    struct clr_object array;
    uint64_t first;
    uint32_t count;

    if (!clr_object_try(clr, trace, &array) || !clr_type_is_array(array.type)) return;
    if (array.type->component_size == 8) {
        if (!array.count || !memory_try_u64(clr->memory, trace + ARRAY_DATA_OFF, &first)) return;
        trace = first;
        if (!clr_object_try(clr, trace, &array) || !clr_type_is_array(array.type)) return;
    }
    if (array.type->component_size != 1 || array.count < FRAMES_OFF || !memory_try_u32(clr->memory, trace + ARRAY_DATA_OFF, &count))
        return;
    exception->frames_addr = trace + ARRAY_DATA_OFF + FRAMES_OFF;
    exception->frame_count = (array.count - FRAMES_OFF) / FRAME_SIZE;
    if (count < exception->frame_count) exception->frame_count = count;
}

bool clr_exception_try(struct clr *clr, uint64_t addr, struct clr_exception *ret)
{
    struct clr_exception exception = { 0 };
    struct clr_field field;

    if (!clr_object_try(clr, addr, &exception.object) || !clr_type_is_exception(clr, exception.object.type->mt_addr)) return false;
    exception.message_addr = reference(clr, &exception.object, "_message");
    exception.inner_addr = reference(clr, &exception.object, "_innerException");
    if (!clr_field_find(clr, exception.object.type->mt_addr, "_HResult", &field) ||
        !memory_try_u32(clr->memory, addr + 8 + field.offset, &exception.hresult))
        exception.hresult = 0;
    read_frames(clr, reference(clr, &exception.object, "_stackTrace"), &exception);
    *ret = exception;
    return true;
}

bool clr_exception_frame(const struct clr *clr, const struct clr_exception *exception, uint32_t index,
                         struct clr_exception_frame *ret)
{
    uint64_t words[FRAME_SIZE / 8];

    if (index >= exception->frame_count ||
        !memory_try_read(clr->memory, exception->frames_addr + (uint64_t)FRAME_SIZE * index, words, sizeof(words)))
        return false;
    *ret = (struct clr_exception_frame) { words[0], words[1], words[2], words[3] & FRAME_IP_ADJUSTED };
    return true;
}

/* Before 9.0 the tracker has a handle. */
static uint64_t tracked_exception(const struct clr *clr, uint64_t tracker)
{
    uint64_t object, handle;

    if (layout_has(&clr->layout, FIELD_ExceptionInfo_ExceptionObject))
        return clr_try_u64(clr, tracker, FIELD_ExceptionInfo_ExceptionObject, &object) ? object : 0;
    if (!clr_try_u64(clr, tracker, FIELD_ExceptionInfo_ThrownObjectHandle, &handle) || !handle) return 0;
    return memory_try_u64(clr->memory, handle, &object) ? object : 0;
}

size_t clr_thread_exceptions(const struct clr *clr, const struct clr_thread *thread, uint64_t ret[THREAD_EXCEPTIONS_MAX])
{
    uint64_t tracker, previous;
    size_t count = 0;

    if (!clr_try_u64(clr, thread->addr, FIELD_Thread_ExceptionTracker, &tracker)) return 0;
    /* Trackers lie on the stack, the older ones higher up. */
    while (tracker && count < THREAD_EXCEPTIONS_MAX) {
        uint64_t object = tracked_exception(clr, tracker);

        if (object) ret[count++] = object;
        if (!clr_try_u64(clr, tracker, FIELD_ExceptionInfo_PreviousNestedInfo, &previous) || previous <= tracker) break;
        tracker = previous;
    }
    return count;
}

uint64_t clr_thread_last_exception(const struct clr *clr, const struct clr_thread *thread)
{
    uint64_t handle, object;

    if (!clr_try_u64(clr, thread->addr, FIELD_Thread_LastThrownObject, &handle) || !handle) return 0;
    return memory_try_u64(clr->memory, handle, &object) ? object : 0;
}
