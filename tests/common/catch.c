/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <unistd.h>

#include "catch.h"
#include "cmocka_all.h"
#include "util/log.h"

static FILE *file;
static int saved;

void catch_stderr(void)
{
	file = tmpfile();
	assert_non_null(file);
	log_flush(10000);
	saved = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
}

size_t caught_stderr(char *text, size_t size)
{
	size_t len;

	log_flush(10000);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	len = fread(text, 1, size - 1, file);
	text[len] = '\0';
	fclose(file);
	return len;
}
