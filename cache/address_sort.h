/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_ADDRESS_SORT_H
#define BINNACLE_CACHE_ADDRESS_SORT_H

/* The endpoints of a Service in the order of their addresses. They are sorted anew with
 * each change of one of its slices: that has to be cheap for thousands, whose addresses
 * differ in two or three bytes. Those are what a radix sort looks at, the least first.
 * Pure but for memory that it takes and gives back; without, it is qsort()'s. */

#include "draft.h"

/* By family, address, and those without a hostname first. Stable. */
void address_sort(struct draft_item *items, size_t n);

#endif
