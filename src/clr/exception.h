/*
 * Exceptions: objects of the heap, and those that threads are handling.
 *
 *     System.Exception {_message, _innerException, _stackTrace, _HResult, ...}
 *       _stackTrace         sbyte[], or object[] whose first element it is (the others keep collectible methods alive)
 *         +0 u32 count   +8 Thread   +16 {ip, sp, MethodDesc, u32 flags}[count]       the frame that threw first
 *     Thread.ExceptionTracker -> ExInfo {previous, exception}      the newest first: an exception in a handler of another
 *
 * Source: src/coreclr/vm/clrex.h (StackTraceElement), object.h (StackTraceArray), exinfo.h, exceptionhandling.h.
 */
#ifndef CLRTRAIL_CLR_EXCEPTION_H
#define CLRTRAIL_CLR_EXCEPTION_H

#include "clr/object.h"
#include "clr/thread.h"

struct clr_exception {
    struct clr_object object;
    uint64_t message_addr, inner_addr; /* objects, 0: null */
    uint32_t hresult;
    uint64_t frames_addr; /* of the first element */
    uint32_t frame_count;
};

/* Is it System.Exception, or derived from it? Fills caches. */
bool clr_type_is_exception(struct clr *clr, uint64_t mt_addr);
/* False when the object at `addr` is no exception. Fills caches. */
bool clr_exception_try(struct clr *clr, uint64_t addr, struct clr_exception *ret);

struct clr_exception_frame {
    uint64_t ip, sp, method_desc_addr;
    bool is_adjusted; /* ip lies in the call already, not behind it */
};
/* Frame `index` of the stack trace, 0 being the one that threw; false when it cannot be read. */
bool clr_exception_frame(const struct clr *clr, const struct clr_exception *exception, uint32_t index,
                         struct clr_exception_frame *ret);

enum { THREAD_EXCEPTIONS_MAX = 256 };
/* Exceptions that the thread is handling, the newest first. How many, at most THREAD_EXCEPTIONS_MAX. */
size_t clr_thread_exceptions(const struct clr *clr, const struct clr_thread *thread, uint64_t ret[THREAD_EXCEPTIONS_MAX]);
/* The exception object that the thread threw last and still remembers, 0: none. */
uint64_t clr_thread_last_exception(const struct clr *clr, const struct clr_thread *thread);

#endif
