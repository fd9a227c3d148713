/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cmd.h"
#include "oneshot_github.h"
#include "oneshot_result.h"
#include "util/log.h"

bool github_is_there(void)
{
	const char *value = getenv("GITHUB_ACTIONS");

	return value && !strcmp(value, "true");
}

/* Made after the guest has ended: it cannot write it. False: there is no chance to be had. */
static bool make_token(char *token, size_t size)
{
	u8 random[16];
	size_t len = 0;

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return false;
	for (unsigned i = 0; i < sizeof(random); i++)
		len += snprintf(token + len, size - len, "%02x", random[i]);
	return true;
}

/* In one piece: nothing of the guest's goes out before what takes its commands away. */
static void say_console(const char *console)
{
	size_t len = strlen(console);
	char token[40], *block;
	int size;

	if (!len || !make_token(token, sizeof(token)))
		return;
	size = asprintf(&block,
			"::group::lkvm: the guest's console\n::stop-commands::%s\n%s%s::%s::\n"
			"::endgroup::\n",
			token, console, console[len - 1] == '\n' ? "" : "\n", token);
	if (size < 0)
		return;
	log_block(block, size);
	free(block);
}

/* "%" begins an escape there, and a line feed would end the line: names of files may have both. */
static void say_error(const char *verdict, const char *text)
{
	char line[4 * 1024];
	size_t len = snprintf(line, sizeof(line), "::error title=lkvm::%s%s", verdict,
			      *verdict ? ": " : "");

	for (; *text && len < sizeof(line) - 5; text++)
		len += snprintf(line + len, sizeof(line) - len, *text == '%' ? "%%25" : "%c",
				(unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
	line[len++] = '\n';
	log_block(line, len);
}

void github_say(const char *console, const struct oneshot_result *result)
{
	say_console(console);
	if (result->status != EXIT_OK)
		say_error(result->verdict, result->text);
}

void github_refuse(const char *why)
{
	say_error("", why);
}
