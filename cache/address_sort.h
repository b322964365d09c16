/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_ADDRESS_SORT_H
#define BINNACLE_CACHE_ADDRESS_SORT_H

/* Items in the order of their addresses: endpoints of a Service that are not plain (plain.h),
 * for the same reason. Thousands of them differ in two or three bytes. Those are what a radix sort looks at, the least first.
 * Pure but for memory that it takes and gives back; without, it is qsort()'s. */

#include "draft.h"

/* By family, address, and those without a hostname first. Stable. */
void address_sort(struct draft_item *items, size_t n);

#endif
