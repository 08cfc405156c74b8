/*
 * The method that somebody wrote, of one that a compiler made of it: lambdas, local functions, iterators and async methods.
 *
 *     C#   His.Locator+<>c__DisplayClass3_0.<Resolve>b__1      His.Locator.Resolve     lambda with captured variables
 *          His.Locator+<Resolve>d__4.MoveNext                  His.Locator.Resolve     async or iterator
 *          His.Locator.<Resolve>g__Local|4_0                   His.Locator.Resolve     local function
 *          His.Locator+<>c+<<Resolve>b__0_1>d.MoveNext         His.Locator.Resolve     async lambda
 *     VB   His.Locator+VB$StateMachine_4_Resolve.MoveNext      His.Locator.Resolve
 *     F#   His.Locator+resolve@41-1.Invoke                     His.Locator.resolve
 *
 * Source: dotnet/roslyn src/Compilers/CSharp/Portable/Symbols/Synthesized/GeneratedNames.cs, its twin in VisualBasic.
 */
#ifndef CLRTRAIL_CLR_METHOD_ORIGIN_H
#define CLRTRAIL_CLR_METHOD_ORIGIN_H

#include "formats/metadata.h"

struct method_origin {
    uint32_t type_rid; /* type_def, 0: none */
    const char *name;  /* not NUL-terminated */
    size_t name_length;
};

void method_origin(const struct metadata *md, uint32_t method_rid, struct method_origin *ret);
/* Appends "His.Locator<T>.Resolve" of the origin. */
void method_origin_text(const struct metadata *md, uint32_t method_rid, struct text *out);

#endif
