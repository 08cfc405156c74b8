/*
 * The method that a delegate calls.
 *
 *     Delegate {_target, _methodPtr, _methodPtrAux}
 *       an instance method   _target, _methodPtr: its code, or a stub that leads there
 *       a static one         _target is the delegate itself, _methodPtr shuffles the arguments, _methodPtrAux is the method
 *
 * Source: Delegate.CoreCLR.cs; src/coreclr/vm/comdelegate.cpp.
 */
#ifndef CLRTRAIL_MANAGED_DELEGATE_H
#define CLRTRAIL_MANAGED_DELEGATE_H

#include "managed/place.h"

/* MethodDesc, 0: the object is no delegate, or its code leads nowhere known. Fills caches. */
uint64_t delegate_method(struct clr *clr, uint64_t delegate_addr);

#endif
