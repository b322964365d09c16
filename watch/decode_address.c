/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_address.h"

#include <arpa/inet.h>
#include <string.h>

bool ip_parse(const char *text, struct ip *out)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	memset(out, 0, sizeof *out);
	out->family = 4;
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		return true;
	if (inet_pton(AF_INET6, text, out->bytes) != 1)
		return false;
	if (memcmp(out->bytes, mapped, sizeof mapped) == 0) {
		memmove(out->bytes, out->bytes + 12, 4);
		memset(out->bytes + 4, 0, 12);
		return true;
	}
	out->family = 6;
	return true;
}

void ip_list_add(struct decoder *d, struct ip_list *list, const char *text)
{
	struct ip ip;

	if (!text || !*text)
		return;
	if (!ip_parse(text, &ip)) {
		decoder_leave_out(d, "address \"%.64s\"", text);
		return;
	}
	if (list->count == IPS_MAX) {
		decoder_refuse(d, "more than %d addresses", IPS_MAX);
		return;
	}
	list->ips[list->count++] = ip;
}

const struct ip *ip_list_pack(const struct ip_list *list, struct pack *pack)
{
	if (list->count == 0)
		return NULL;
	return memcpy(pack_take(pack, list->count * sizeof(struct ip)), list->ips,
		list->count * sizeof(struct ip));
}
