/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm balloon": what memory a running guest does without. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "control.h"
#include "query.h"
#include "util/log.h"
#include "util/parse.h"
#include "vmm/control.h"

struct balloon_options {
	struct control_options common; /* first: its functions are called with it */
	const char *size;	       /* text; NULL: not said */
	u64 target, inflate, deflate;
};

static int set_size(struct balloon_options *options, char *word, struct error *err)
{
	if (options->size)
		return error_set(err, -EINVAL, "'%s': one size at a time", word);
	options->size = word;
	if (parse_size(word, MIB, &options->target))
		return error_set(err, -EINVAL, "%s: a size, in MiB or with a suffix: 512M, 4G",
				 word);
	return 0;
}

/* The name may have come by its option. */
static int set_word(void *arg, unsigned n, char *word, struct error *err)
{
	struct balloon_options *options = arg;

	return options->common.name ? set_size(options, word, err)
				    : control_set_name(options, word, err);
}

static const struct option_spec specs[] = {
	CONTROL_NAME_SPEC,
	{ 'i', "inflate", OPTION_SIZE, "SIZE", "the guest is to do without so much more",
	  OPTION_FIELD(struct balloon_options, inflate), .unit = MIB },
	{ 'd', "deflate", OPTION_SIZE, "SIZE", "the guest is to have so much back",
	  OPTION_FIELD(struct balloon_options, deflate), .unit = MIB },
	{ 0 },
};

/* ---- what the VM says ---- */

static void print_size(const char *what, const json_t *answer, const char *key)
{
	json_int_t bytes = json_integer_value(json_object_get(answer, key));

	printf("%-16s %lld MiB\n", what, (long long)(bytes / (json_int_t)MIB));
}

static void print_answer(const struct balloon_options *options, const json_t *answer)
{
	json_t *guest = json_object_get(answer, "guest"), *value;
	const char *key;

	print_size("target", answer, "target");
	print_size("actual", answer, "actual");
	print_size("given back", answer, "given_back");
	if (!json_is_true(json_object_get(answer, "driver")))
		printf("the guest has no driver for it\n");
	if (options->size || options->inflate || options->deflate)
		return;
	if (!json_is_true(json_object_get(answer, "fresh")))
		printf("the guest does not say how its memory is\n");
	json_object_foreach(guest, key, value)
		printf("guest: %-16s %lld\n", key, (long long)json_integer_value(value));
}

static json_t *make_request(const struct balloon_options *options)
{
	json_int_t add = (json_int_t)options->inflate - (json_int_t)options->deflate;

	if (options->size)
		return json_pack("{ss sI}", "command", "balloon", "target",
				 (json_int_t)options->target);
	if (add)
		return json_pack("{ss sI}", "command", "balloon", "add", add);
	return json_pack("{ss}", "command", "balloon");
}

static int run_balloon(const void *arg)
{
	const struct balloon_options *options = arg;
	json_t *answer;
	int status;

	if (!options->common.name ||
	    !!options->size + !!options->inflate + !!options->deflate > 1) {
		log_error("usage: lkvm balloon NAME [SIZE], or --inflate SIZE, or --deflate SIZE");
		return EXIT_USAGE;
	}
	status = query_ask(options->common.name, make_request(options), &answer);
	if (status)
		return status;
	print_answer(options, answer);
	json_decref(answer);
	return EXIT_OK;
}

static_assert(sizeof(struct balloon_options) <= VERB_OPTIONS_SIZE, "its options have room");

const struct verb balloon_verb = {
	"balloon",
	"NAME [SIZE | --inflate SIZE | --deflate SIZE]",
	"ask a running guest to do without memory",
	specs,
	set_word,
	0,
	run_balloon,
	"Ask a guest that runs with --balloon to do without SIZE of its memory (in MiB), or\n"
	"without more or less than before. The host has that memory meanwhile. Without a\n"
	"size: say what it does without, and how its memory is.\n" CONTROL_NAME_NOTE,
};
