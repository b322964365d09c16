/* SPDX-License-Identifier: Apache-2.0 */
#include "forward.h"

#include "dns/corefile/value.h"
#include "dns/wire/type.h"
#include "option.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DNS        53
#define PORT_TLS        853
#define EXPIRE_MS       10000
#define READ_TIMEOUT_MS 2000
#define CHECK_MS        500
#define MAX_FAILS       2

void forward_target_text(const struct forward_target *target, char text[UPSTREAM_TEXT_MAX])
{
	const union address *address = &target->address;
	char host[INET6_ADDRSTRLEN] = "";

	if (address->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host);
	else
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host);
	snprintf(text, UPSTREAM_TEXT_MAX, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
		(unsigned)address_port(address));
}

/* ---- TO ---- */

static void address_set(union address *out, const struct value_address *address, uint16_t port)
{
	memset(out, 0, sizeof *out);
	if (address->family == AF_INET) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		memcpy(&out->v4.sin_addr, address->bytes, 4);
		return;
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	out->v6.sin6_scope_id = address->scope;
	memcpy(&out->v6.sin6_addr, address->bytes, 16);
}

/* "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53" */
static bool address_read(const char *text, uint16_t port, union address *out)
{
	struct value_endpoint endpoint = {.port = port};
	struct value_address address;

	if (value_address(text, &address) < 0 &&
		(value_endpoint(text, port, &endpoint) < 0 || !endpoint.port ||
			value_address(endpoint.host, &address) < 0))
		return false;
	address_set(out, &address, endpoint.port);
	return true;
}

/* "IP%SERVERNAME:PORT": the name and the port stand behind the address. */
static bool tls_target_read(const char *text, struct forward_target *out)
{
	const char *percent = strrchr(text, '%');
	struct value_endpoint behind = {.port = PORT_TLS};
	char host[64];

	out->tls = true;
	if (!percent)
		return address_read(text, PORT_TLS, &out->address);
	if ((size_t)(percent - text) >= sizeof host ||
		value_endpoint(percent + 1, PORT_TLS, &behind) < 0 || !*behind.host)
		return false;
	memcpy(host, text, (size_t)(percent - text));
	host[percent - text] = 0;
	snprintf(out->server_name, sizeof out->server_name, "%s", behind.host);
	return address_read(host, behind.port, &out->address);
}

static int file_add(struct forward_options *options, const struct corefile_token *token, char *err)
{
	char **grown = reallocarray(options->files, options->file_count + 1, sizeof *grown);

	if (!grown)
		return option_no_memory(err, token);
	options->files = grown;
	grown[options->file_count] = strdup(token->text);
	if (!grown[options->file_count])
		return option_no_memory(err, token);
	options->file_count++;
	return 0;
}

static int target_read(
	struct forward_options *options, const struct corefile_token *token, char *err)
{
	struct forward_target target = {0};
	const char *text = token->text;
	const char *scheme = strstr(text, "://");
	bool good;

	if (options->target_count == FORWARD_UPSTREAMS_MAX)
		return corefile_error(err, token, "forward: at most %d upstreams; take some out",
			FORWARD_UPSTREAMS_MAX);
	if (!scheme && !address_read(text, PORT_DNS, &target.address))
		return file_add(options, token, err);
	if (scheme && strncmp(text, "tls://", 6) == 0)
		good = tls_target_read(text + 6, &target);
	else if (scheme && strncmp(text, "dns://", 6) == 0)
		good = address_read(text + 6, PORT_DNS, &target.address);
	else
		good = !scheme;
	if (!good)
		return corefile_error(err, token,
			"forward: '%s' cannot be asked; write IP[:PORT], "
			"tls://IP[%%SERVERNAME][:PORT] or the name of a file in the form of "
			"resolv.conf",
			text);
	options->targets[options->target_count++] = target;
	return 0;
}

/* ---- options ---- */

static int read_except(void *instance, const struct corefile_line *line, char *err)
{
	struct forward_options *options = instance;
	int rc = 0;

	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&options->except, &options->except_count, &line->tokens[i], err);
	return rc;
}

static int read_duration(
	const struct corefile_line *line, int64_t least_ms, uint32_t *out, char *err)
{
	int64_t ms;

	if (value_duration_ms(line->tokens[1].text, &ms) < 0 || ms < least_ms || ms > UINT32_MAX)
		return corefile_error(err, &line->tokens[1],
			"forward: '%s' is no duration for %s; write for example '10s' or '500ms'",
			line->tokens[1].text, line->tokens[0].text);
	*out = (uint32_t)ms;
	return 0;
}

static int read_number(const struct corefile_line *line, unsigned *out, char *err)
{
	int64_t number;

	if (value_number(line->tokens[1].text, 0, INT32_MAX, &number) < 0)
		return corefile_error(err, &line->tokens[1],
			"forward: '%s' is no number for %s; write one that is not below 0",
			line->tokens[1].text, line->tokens[0].text);
	*out = (unsigned)number;
	return 0;
}

static int read_force_tcp(void *instance, const struct corefile_line *line, char *err)
{
	(void)line;
	(void)err;
	((struct forward_options *)instance)->force_tcp = true;
	return 0;
}

/* What is always so here: UDP first, TCP where a reply is cut. */
static int read_prefer_udp(void *instance, const struct corefile_line *line, char *err)
{
	(void)instance;
	(void)line;
	(void)err;
	return 0;
}

static int read_expire(void *instance, const struct corefile_line *line, char *err)
{
	return read_duration(line, 1, &((struct forward_options *)instance)->expire_ms, err);
}

static int read_max_age(void *instance, const struct corefile_line *line, char *err)
{
	return read_duration(line, 0, &((struct forward_options *)instance)->max_age_ms, err);
}

static int read_read_timeout(void *instance, const struct corefile_line *line, char *err)
{
	return read_duration(line, 1, &((struct forward_options *)instance)->read_timeout_ms, err);
}

static int read_max_idle(void *instance, const struct corefile_line *line, char *err)
{
	return read_number(line, &((struct forward_options *)instance)->max_idle, err);
}

static int read_max_fails(void *instance, const struct corefile_line *line, char *err)
{
	return read_number(line, &((struct forward_options *)instance)->max_fails, err);
}

static int read_max_concurrent(void *instance, const struct corefile_line *line, char *err)
{
	return read_number(line, &((struct forward_options *)instance)->max_concurrent, err);
}

/* A question is sent three times at most, whatever this says. */
static int read_max_connect_attempts(void *instance, const struct corefile_line *line, char *err)
{
	unsigned ignored;

	(void)instance;
	return read_number(line, &ignored, err);
}

static int string_set(char **out, const struct corefile_token *token, char err[COREFILE_ERROR_MAX])
{
	free(*out);
	*out = strdup(token->text);
	return *out ? 0 : option_no_memory(err, token);
}

/* tls [CA] | tls CERT KEY [CA] */
static int read_tls(void *instance, const struct corefile_line *line, char *err)
{
	struct forward_options *options = instance;
	const struct corefile_token *tokens = line->tokens;
	const size_t count = line->token_count - 1;
	int rc = 0;

	if (count == 1)
		return string_set(&options->tls_ca, &tokens[1], err);
	if (count >= 2)
		rc = string_set(&options->tls_cert, &tokens[1], err);
	if (count >= 2 && rc == 0)
		rc = string_set(&options->tls_key, &tokens[2], err);
	if (count == 3 && rc == 0)
		rc = string_set(&options->tls_ca, &tokens[3], err);
	return rc;
}

static int read_tls_servername(void *instance, const struct corefile_line *line, char *err)
{
	struct forward_options *options = instance;
	const struct corefile_token *name = &line->tokens[1];

	if (strlen(name->text) >= sizeof options->tls_servername)
		return corefile_error(
			err, name, "forward: '%s' is longer than a name can be", name->text);
	strcpy(options->tls_servername, name->text);
	return 0;
}

static int read_policy(void *instance, const struct corefile_line *line, char *err)
{
	static const struct {
		const char *name;
		enum upstream_policy policy;
	} policies[] = {{"random", POLICY_RANDOM}, {"round_robin", POLICY_ROUND_ROBIN},
		{"sequential", POLICY_SEQUENTIAL}};
	struct forward_options *options = instance;

	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
		if (strcmp(policies[i].name, line->tokens[1].text) != 0)
			continue;
		options->policy = policies[i].policy;
		return 0;
	}
	return corefile_error(err, &line->tokens[1],
		"forward: '%s' is no policy; write random, round_robin or sequential, or leave the "
		"line out: the quickest upstream is asked then",
		line->tokens[1].text);
}

static int read_health_check(void *instance, const struct corefile_line *line, char *err)
{
	struct forward_options *options = instance;
	int rc = read_duration(line, 1, &options->check_ms, err);

	for (size_t i = 2; i < line->token_count && rc == 0; i++) {
		const struct corefile_token *token = &line->tokens[i];

		if (strcmp(token->text, "no_rec") == 0) {
			options->check_no_rec = true;
		} else if (strcmp(token->text, "domain") == 0 && i + 1 < line->token_count) {
			const char *name = line->tokens[++i].text;

			if (name_from_text(name, strlen(name), &options->check_name) < 0)
				rc = corefile_error(err, &line->tokens[i],
					"forward: '%s' is not a domain name", name);
		} else {
			rc = corefile_error(err, token,
				"forward: write 'health_check DURATION [no_rec] [domain NAME]'");
		}
	}
	return rc;
}

static int read_rcodes(const struct corefile_line *line, uint32_t *out, char *err)
{
	for (size_t i = 1; i < line->token_count; i++) {
		const struct corefile_token *token = &line->tokens[i];
		unsigned rcode = 0;
		char text[TYPE_TEXT_MAX];

		while (rcode < 32 && strcasecmp(rcode_to_text((uint16_t)rcode, text), token->text))
			rcode++;
		if (rcode == 32)
			return corefile_error(err, token,
				"forward: '%s' is no rcode; write for example NXDOMAIN, SERVFAIL "
				"or REFUSED",
				token->text);
		*out |= 1u << rcode;
	}
	return 0;
}

static int read_next(void *instance, const struct corefile_line *line, char *err)
{
	return read_rcodes(line, &((struct forward_options *)instance)->next_rcodes, err);
}

static int read_failover(void *instance, const struct corefile_line *line, char *err)
{
	return read_rcodes(line, &((struct forward_options *)instance)->failover_rcodes, err);
}

static int read_next_on_nodata(void *instance, const struct corefile_line *line, char *err)
{
	(void)line;
	(void)err;
	((struct forward_options *)instance)->next_on_nodata = true;
	return 0;
}

static int read_failfast(void *instance, const struct corefile_line *line, char *err)
{
	(void)line;
	(void)err;
	((struct forward_options *)instance)->failfast = true;
	return 0;
}

static int read_source_address(void *instance, const struct corefile_line *line, char *err)
{
	struct forward_options *options = instance;

	for (size_t i = 1; i < line->token_count; i++) {
		struct value_address address;

		if (value_address(line->tokens[i].text, &address) < 0)
			return corefile_error(err, &line->tokens[i],
				"forward: '%s' is no address to send from; write one of this host",
				line->tokens[i].text);
		address_set(address.family == AF_INET ? &options->source_v4 : &options->source_v6,
			&address, 0);
	}
	return 0;
}

static int read_absent(void *instance, const struct corefile_line *line, char *err)
{
	(void)instance;
	return corefile_error(err, &line->tokens[0],
		"forward: Binnacle does not have '%s': upstreams are addresses, asked over DNS or "
		"DNS over TLS; take the line out",
		line->tokens[0].text);
}

static const struct option_row rows[] = {{"except", 1, 1000, "except NAMES...", read_except},
	{"force_tcp", 0, 0, "force_tcp", read_force_tcp},
	{"prefer_udp", 0, 0, "prefer_udp", read_prefer_udp},
	{"expire", 1, 1, "expire DURATION", read_expire},
	{"max_age", 1, 1, "max_age DURATION", read_max_age},
	{"max_idle_conns", 1, 1, "max_idle_conns INTEGER", read_max_idle},
	{"read_timeout", 1, 1, "read_timeout DURATION", read_read_timeout},
	{"max_fails", 1, 1, "max_fails INTEGER", read_max_fails},
	{"max_connect_attempts", 1, 1, "max_connect_attempts INTEGER", read_max_connect_attempts},
	{"tls", 0, 3, "tls [CERT KEY] [CA]", read_tls},
	{"tls_servername", 1, 1, "tls_servername NAME", read_tls_servername},
	{"policy", 1, 1, "policy random|round_robin|sequential", read_policy},
	{"health_check", 1, 5, "health_check DURATION [no_rec] [domain NAME]", read_health_check},
	{"max_concurrent", 1, 1, "max_concurrent INTEGER", read_max_concurrent},
	{"next", 1, 32, "next RCODE...", read_next},
	{"next_on_nodata", 0, 0, "next_on_nodata", read_next_on_nodata},
	{"failfast_all_unhealthy_upstreams", 0, 0, "failfast_all_unhealthy_upstreams",
		read_failfast},
	{"failover", 1, 32, "failover RCODE...", read_failover},
	{"source_address", 1, 2, "source_address IP [IP]", read_source_address},
	{"doh_method", 0, 16, "doh_method GET|POST", read_absent},
	{"resolver", 0, 16, "resolver ADDRESS...", read_absent}, {0}};

/* ---- a line ---- */

static int options_check(
	const struct forward_options *options, const struct corefile_line *line, char *err)
{
	const struct corefile_token *at = &line->tokens[0];

	if (options->max_age_ms && options->max_age_ms < options->expire_ms)
		return corefile_error(err, at,
			"forward: max_age cannot be less than expire; raise it, or lower expire");
	return 0;
}

int forward_options_read(const struct plugin_site *site, const struct corefile_line *line,
	struct forward_options *out, char err[COREFILE_ERROR_MAX])
{
	int rc = 0;

	(void)site;
	*out = (struct forward_options){
		.policy = POLICY_QUICKEST,
		.expire_ms = EXPIRE_MS,
		.read_timeout_ms = READ_TIMEOUT_MS,
		.check_ms = CHECK_MS,
		.max_fails = MAX_FAILS,
		.at = line->tokens[0],
	};
	name_from_text(".", 1, &out->check_name);
	out->at.text = "forward";
	out->at.file = strdup(line->tokens[0].file);
	if (!out->at.file)
		return option_no_memory(err, &line->tokens[0]);
	if (line->token_count < 3)
		return corefile_error(err, &line->tokens[0],
			"forward: write 'forward FROM TO...', for example 'forward . "
			"/etc/resolv.conf'");
	rc = option_zones(&out->from, &out->from_count, &line->tokens[1], err);
	for (size_t i = 2; i < line->token_count && rc == 0; i++)
		rc = target_read(out, &line->tokens[i], err);
	if (rc == 0)
		rc = option_read(line, rows, out, err);
	return rc == 0 ? options_check(out, line, err) : rc;
}

void forward_options_free(struct forward_options *options)
{
	for (size_t i = 0; i < options->file_count; i++)
		free(options->files[i]);
	free(options->files);
	free(options->from);
	free(options->except);
	free(options->tls_cert);
	free(options->tls_key);
	free(options->tls_ca);
	free((char *)(uintptr_t)options->at.file);
}
