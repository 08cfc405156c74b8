/*
 * Labelled text that is wrapped with a hanging indent:
 *
 *        cause     a new ProxyGenerator per call, each with
 *                  its own ModuleScope
 */
#ifndef CLRTRAIL_SURFACES_PARAGRAPH_H
#define CLRTRAIL_SURFACES_PARAGRAPH_H

#include "surfaces/output.h"

enum { PARAGRAPH_INDENT = 3, PARAGRAPH_LABEL = 10 };

/* Appends `s` below `label` ("" for a further line). `s` is safe text. */
void paragraph_append(const struct output *output, struct text *text, const char *label, const char *s);
/* Appends `s` wrapped, without label or indent. */
void paragraph_append_plain(const struct output *output, struct text *text, const char *s);
/* Columns that prose may take here. */
unsigned paragraph_width(const struct output *output);

#endif
