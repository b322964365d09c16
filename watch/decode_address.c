/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_address.h"

#include <arpa/inet.h>
#include <string.h>

struct special {
	uint8_t family, bits; /* so many lead the bytes */
	uint8_t bytes[16];
	const char *what;
};

/* The registries' blocks that today's API server lets no endpoint have
 * (ValidateNonSpecialIP), the rest of multicast, and broadcast. */
static const struct special specials[] = {
	{4, 32, {0}, "unspecified address"},
	{4, 8, {127}, "loopback address"},
	{4, 16, {169, 254}, "link-local address"},
	{4, 4, {224}, "multicast address"},
	{4, 32, {255, 255, 255, 255}, "broadcast address"},
	{6, 128, {0}, "unspecified address"},
	{6, 128, {[15] = 1}, "loopback address"},
	{6, 10, {0xfe, 0x80}, "link-local address"},
	{6, 8, {0xff}, "multicast address"},
	{6, 96, {[10] = 0xff, 0xff}, "IPv4-mapped address"},
};

static bool bits_same(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	const unsigned whole = bits / 8;
	const uint8_t mask = (uint8_t)(0xff00u >> bits % 8);

	return memcmp(a, b, whole) == 0 && (bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

/* NULL: an ordinary one. */
static const char *special_find(const struct ip *ip)
{
	for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
		const struct special *special = &specials[i];

		if (special->family == ip->family &&
			bits_same(special->bytes, ip->bytes, special->bits))
			return special->what;
	}
	return NULL;
}

static void mapped_undo(struct ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};

	if (ip->family != 6 || memcmp(ip->bytes, mapped, sizeof mapped) != 0)
		return;
	ip->family = 4;
	memmove(ip->bytes, ip->bytes + 12, 4);
	memset(ip->bytes + 4, 0, 12);
}

/* Four numbers up to 255 without leading zeros, as nearly all addresses are written. False: it
 * may still be one; inet_pton() knows. */
static bool dotted_read(const char *text, uint8_t bytes[4])
{
	for (unsigned i = 0; i < 4; i++) {
		const char *from = text;
		unsigned number = 0;

		while (*text >= '0' && *text <= '9' && text - from < 3)
			number = number * 10 + (unsigned)(*text++ - '0');
		if (text == from || number > 255 || (*from == '0' && text - from > 1) ||
			*text != (i < 3 ? '.' : '\0'))
			return false;
		bytes[i] = (uint8_t)number;
		text++;
	}
	return true;
}

const char *address_read(const struct decode_options *options, const char *text, struct ip *out)
{
	const char *what = NULL;

	memset(out, 0, sizeof *out);
	out->family = 4;
	if (!dotted_read(text, out->bytes) && inet_pton(AF_INET, text, out->bytes) != 1) {
		out->family = 6;
		if (inet_pton(AF_INET6, text, out->bytes) != 1)
			return "address";
	}
	if (!options->trusted)
		what = special_find(out);
	mapped_undo(out);
	return what;
}

void ip_list_add(struct decoder *d, struct ip_list *list, const char *text)
{
	const char *what;
	struct ip ip;

	if (!text || !*text)
		return;
	what = address_read(&d->options, text, &ip);
	if (what) {
		decoder_leave_out(d, "%s \"%.64s\"", what, text);
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
