/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of each type, as tables have them. */
#include <errno.h>
#include <stdio.h>

#include "test.h"
#include "util/option.h"

enum colour { RED, GREEN, BLUE };

struct target {
	bool flag, on;
	const char *word, *file;
	unsigned number;
	u64 wide, size, at;
	enum colour colour;
	unsigned calls;
	char *last;
};

static int count_call(void *target, char *value, struct error *err)
{
	((struct target *)target)->calls++;
	((struct target *)target)->last = value;
	return 0;
}

#define FIELD(field) OPTION_FIELD(struct target, field)

static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct option_spec items[] = {
	{ 0, "file", OPTION_FILE, "FILE", "a file", .first = true, FIELD(file) },
	{ 0, "flag", OPTION_FLAG, .help = "a flag", FIELD(flag) },
	{ 0, "on", OPTION_CHOICE, .help = "a switch", .choices = option_off_on, FIELD(on) },
	{ 0, "wide", OPTION_NUMBER, "N", "a wide number", FIELD(wide), .min = 1, .max = UINT64_MAX,
	  .preset = 7 },
	{ 0, "call", OPTION_CALL, "TEXT", "a call", .set = count_call, .many = true },
	{ 0 },
};

static const struct option_spec bare_items[] = {
	{ 0, "wide", OPTION_NUMBER, "N", "a wide number", FIELD(wide), .max = 9 },
	{ 0 },
};

static const struct option_spec specs[] = {
	{ 0, "flag", OPTION_FLAG, .help = "a flag", FIELD(flag) },
	{ 0, "number", OPTION_NUMBER, "N", "a number", FIELD(number), .min = 2, .max = 9,
	  .preset = 3 },
	{ 0, "size", OPTION_SIZE, "SIZE", "a size", FIELD(size), .unit = MIB, .preset = GIB,
	  .at = offsetof(struct target, at) },
	{ 0, "colour", OPTION_CHOICE, .help = "a colour", .choices = colours, .preset = GREEN,
	  FIELD(colour) },
	{ 0, "word", OPTION_WORD, "TEXT", "a word", FIELD(word) },
	{ 0, "list", OPTION_LIST, .help = "a list", .items = items, .set = count_call },
	{ 0, "bare", OPTION_LIST, "OPTIONS", "a list", .items = bare_items, .optional = true },
	{ 0 },
};

enum { FLAG, NUMBER, SIZE, COLOUR, WORD, LIST, BARE };

static struct target target;
static struct error err;
static char text[128];

static int set_up(void **state)
{
	target = (struct target){ 0 };
	err.text[0] = '\0';
	option_preset(specs, &target);
	return 0;
}

static int set(unsigned n, const char *value)
{
	snprintf(text, sizeof(text), "%s", value);
	return option_set(&specs[n], &target, text, &err);
}

TEST_WITH(what_is_not_given_has_its_preset, set_up, NULL)
{
	assert_int_equal(target.number, 3);
	assert_int_equal(target.size, GIB);
	assert_int_equal(target.colour, GREEN);
	assert_false(target.flag || target.on);
}

TEST_WITH(values_of_each_type_go_to_their_fields, set_up, NULL)
{
	assert_int_equal(option_set(&specs[FLAG], &target, NULL, &err), 0);
	assert_true(target.flag);
	assert_int_equal(set(NUMBER, "9"), 0);
	assert_int_equal(target.number, 9);
	assert_int_equal(set(SIZE, "2"), 0);
	assert_int_equal(target.size, 2 * MIB);
	assert_int_equal(set(COLOUR, "blue"), 0);
	assert_int_equal(target.colour, BLUE);
	assert_int_equal(set(WORD, ""), 0);
	assert_string_equal(target.word, "");
}

TEST_WITH(bounds_hold_and_are_said, set_up, NULL)
{
	assert_int_equal(set(NUMBER, "1"), -EINVAL);
	assert_string_equal(err.text, "--number 1: a number, at least 2 and at most 9");
	assert_int_equal(set(NUMBER, "10"), -EINVAL);
	assert_int_equal(set(NUMBER, "3x"), -EINVAL);
	assert_int_equal(target.number, 3);
	assert_int_equal(set(SIZE, "12q"), -EINVAL);
	assert_int_equal(set(SIZE, "99999999T"), -ERANGE);
	assert_int_equal(target.size, GIB);
	err.text[0] = '\0';
	assert_int_equal(set(COLOUR, "pink"), -EINVAL);
	assert_string_equal(err.text, "--colour pink: there are red, green and blue");
}

TEST_WITH(a_list_has_a_bare_value_and_items, set_up, NULL)
{
	assert_int_equal(set(LIST, "/a,,b=c,flag,on=on,wide=0xffffffffffffffff,call=1,call=2"), 0);
	assert_string_equal(target.file, "/a,b=c");
	assert_true(target.flag && target.on);
	assert_int_equal(target.wide, UINT64_MAX);
	/* Twice for its own item, and once when the list was complete. */
	assert_int_equal(target.calls, 3);
	assert_string_equal(target.last, "/a,b=c");
}

TEST_WITH(a_list_without_a_bare_value_may_be_empty, set_up, NULL)
{
	assert_int_equal(option_set(&specs[BARE], &target, NULL, &err), 0);
	assert_int_equal(set(BARE, "wide=5"), 0);
	assert_int_equal(target.wide, 5);
	assert_true(option_is_item(&specs[BARE], "wide=5"));
	assert_false(option_is_item(&specs[BARE], "wider=5"));
	assert_false(option_is_item(&specs[BARE], "wide"));
}

TEST_WITH(items_that_are_wrong_are_named, set_up, NULL)
{
	static const struct {
		const char *value, *line;
	} cases[] = {
		{ "", "--list needs a value: --list FILE" },
		{ "f,flog", "--list f: unknown option 'flog': did you mean flag?" },
		{ "f,x",
		  "--list f: unknown option 'x': there are flag, on=on|off, wide=N and call=TEXT" },
		{ "f,on", "--list f: on needs a value: on=on|off" },
		{ "f,on=yes", "--list f: on=yes: there are off and on" },
		{ "f,flag=1", "--list f: flag takes no value" },
		{ "f,wide=0", "--list f: wide=0: a number, at least 1 and at most "
			      "18446744073709551615" },
		{ "f,on=on,on=off", "--list f: on is given twice" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		set_up(state);
		assert_int_equal(set(LIST, cases[i].value), -EINVAL);
		assert_string_equal(err.text, cases[i].line);
		assert_int_equal(target.calls, 0);
	}
}

TEST_WITH(what_is_undone_has_its_preset_again, set_up, NULL)
{
	option_set(&specs[FLAG], &target, NULL, &err);
	set(NUMBER, "9");
	set(SIZE, "2");
	set(COLOUR, "blue");
	set(WORD, "x");
	for (unsigned n = FLAG; n <= WORD; n++)
		assert_int_equal(option_undo(&specs[n], &target), 0);
	what_is_not_given_has_its_preset(NULL);
	assert_null(target.word);
	assert_int_equal(option_undo(&specs[LIST], &target), -EINVAL);
}

TEST_WITH(a_size_may_say_where_it_begins, set_up, NULL)
{
	assert_int_equal(set(SIZE, "256@4G"), 0);
	assert_int_equal(target.size, 256 * MIB);
	assert_int_equal(target.at, 4 * GIB);
	assert_int_equal(set(SIZE, "1G@525312"), 0);
	assert_int_equal(target.at, 513 * GIB);
	assert_int_equal(set(SIZE, "1G"), 0);
	assert_int_equal(target.at, 0);
	assert_int_equal(set(SIZE, "1G@"), -EINVAL);
	assert_int_equal(set(SIZE, "@2G"), -EINVAL);
	assert_int_equal(set(SIZE, "1G@2G@3G"), -EINVAL);
	assert_int_equal(set(SIZE, "000000000000000000000000000000000000001"), -EINVAL);
}
