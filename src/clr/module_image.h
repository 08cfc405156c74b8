/*
 * The PE image of a module as it lies in the target: mapped by sections, or flat as in the file.
 */
#ifndef CLRTRAIL_CLR_MODULE_IMAGE_H
#define CLRTRAIL_CLR_MODULE_IMAGE_H

#include "clr/loader.h"
#include "formats/pe.h"

/* The headers, as a `struct pe` over what of the first 64 KiB is in one piece. False: none, or not to be had. */
bool module_image_headers(const struct clr *clr, const struct clr_module *module, struct pe *ret);
/* Address of an RVA; 0 when a flat image has no such section. */
uint64_t module_image_address(const struct clr_module *module, const struct pe *headers, uint32_t rva);

#endif
