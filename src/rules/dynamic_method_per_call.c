/*
 * Expressions compiled, or dynamic methods emitted, at each call, and kept.
 *
 *     delegate -> DynamicMethod {_resolver: DynamicResolver {m_code: byte[] IL}, _name}
 *
 * A dynamic method lives as long as its delegate, with jitted code in a code heap of its own. Containers, serializers and mappers
 * have hundreds, one for each type. What tells a leak is that many have the same IL: the same thing was compiled again.
 */
#include "managed/equal_content.h"
#include "rules/many.h"

/* Of equal IL: getters of different types may be equal in bytes, but not by the hundred. */
enum { METHODS_MIN = 200, EQUAL_MIN = 100, EQUAL_PROVEN = 300, CODE_MIN = 2 };

static const char *const types[] = { "System.Reflection.Emit.DynamicMethod", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Linq.Expressions.Expression`1", .method = "Compile*" },
    { .type = "System.Linq.Expressions.LambdaExpression", .method = "Compile*" },
    { .type = "System.Reflection.Emit.DynamicMethod", .method = ".ctor" },
};

static bool add_code(struct many_found *found, struct equal_groups *groups, uint64_t method)
{
    uint64_t code = managed_follow_object(found->clr, method, "_resolver.m_code|m_resolver.m_code");
    struct clr_object array;
    bool read;

    if (!clr_object_try(found->clr, code, &array) || !clr_type_is_array(array.type) || array.count < CODE_MIN) return true;
    return equal_groups_add(groups, array.type->mt_addr, code, array.size, code + ARRAY_DATA_OFF, array.count, &read);
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    struct equal_groups groups;
    uint64_t equal = 0;
    bool ok = true;

    equal_groups_init(&groups, found->clr->memory);
    for (size_t i = 0; i < found->live.count && ok; i++)
        ok = add_code(found, &groups, found->live.data[i]);
    for (size_t i = 0; i < groups.list.count; i++)
        if (groups.list.data[i].count > equal) equal = groups.list.data[i].count;
    equal_groups_deinit(&groups);
    if (!ok) return &error_enomem;
    *drop_ret = equal < EQUAL_MIN || equal * 2 < found->live.count;
    finding->certainty = equal >= EQUAL_PROVEN && found->held >= EQUAL_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding_evidence(finding, finding_text(found->findings, "%s of them have the same IL: the same thing was compiled again",
                                           finding_number(found->findings, equal)));
    return NULL;
}

static const struct many methods = {
    .rule = "dynamic-method-per-call",
    .doc = "docs/causes/dynamic-method-per-call.md",
    .kind = "managed",
    .types = types,
    .least = METHODS_MIN,
    .proven = UINT64_MAX,
    .noun = "dynamic methods",
    .state = "are alive",
    .cause = "an expression is compiled (or a DynamicMethod emitted) at each call, and the delegate is kept",
    .fix = "compile once and keep the delegate in a static field, or in a cache whose key is what the code depends on",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .tell = tell,
};

static struct error *methods_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &methods);
}

const struct rule rule_dynamic_method_per_call = {
    .name = "dynamic-method-per-call",
    .summary = "the same expression is compiled again and again, and kept",
    .refines = "accumulation",
    .run = methods_run,
};
