/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/option.h"
#include "util/parse.h"

const char *const option_off_on[] = { "off", "on", NULL };

/* How an error line names an option and its value: "--cpus x", or for an item of a list
 * "--viommu: bypass=x". */
struct label {
	char text[80];
	char between; /* them and the value */
};

const char *option_value_text(const struct option_spec *spec, char *text, size_t size)
{
	size_t len = 0;

	if (spec->value)
		return spec->value;
	/* A list that begins with a bare value is asked for by that. */
	if (spec->items && spec->items->first)
		return spec->items->value;
	/* As people say it. */
	if (spec->choices == option_off_on)
		return "on|off";
	text[0] = '\0';
	for (unsigned i = 0; spec->choices && spec->choices[i] && len < size; i++)
		len += snprintf(text + len, size - len, "%s%s", i ? "|" : "", spec->choices[i]);
	return text;
}

/* ---- where values go ---- */

static void store(const struct option_spec *spec, void *target, u64 value)
{
	void *field = (char *)target + spec->offset;

	switch (spec->size) {
	case 0:
		break;
	case sizeof(bool):
		*(bool *)field = value;
		break;
	case sizeof(u32):
		*(u32 *)field = value;
		break;
	default:
		assert(spec->size == sizeof(u64));
		*(u64 *)field = value;
	}
}

void option_preset(const struct option_spec *specs, void *target)
{
	for (; specs->name; specs++) {
		if (specs->type == OPTION_NUMBER || specs->type == OPTION_SIZE ||
		    specs->type == OPTION_CHOICE)
			store(specs, target, specs->preset);
		else if (specs->type == OPTION_LIST)
			option_preset(specs->items, target);
	}
}

int option_undo(const struct option_spec *spec, void *target)
{
	switch (spec->type) {
	case OPTION_FLAG:
		store(spec, target, false);
		return 0;
	case OPTION_SIZE:
		if (spec->at)
			*(u64 *)((char *)target + spec->at) = 0;
		/* fall through */
	case OPTION_NUMBER:
	case OPTION_CHOICE:
		store(spec, target, spec->preset);
		return 0;
	case OPTION_WORD:
	case OPTION_FILE:
		*(const char **)((char *)target + spec->offset) = NULL;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- values of one word ---- */

static int set_word(const struct option_spec *spec, const struct label *label, void *target,
		    char *value, struct error *err)
{
	const char **field = (const char **)((char *)target + spec->offset);

	if (*field)
		return error_set(err, -EINVAL, "%s%c%s: there is already %s", label->text,
				 label->between, value, *field);
	if (!*value && spec->type == OPTION_FILE)
		return error_set(err, -EINVAL, "%s: the name of a file is missing", label->text);
	*field = value;
	return 0;
}

static int set_number(const struct option_spec *spec, const struct label *label, void *target,
		      const char *value, struct error *err)
{
	const char *unit = strcmp(spec->value, "SECONDS") ? "a number" : "seconds";
	u64 number;

	if (parse_u64(value, spec->max, &number) || number < spec->min)
		return error_set(err, -EINVAL, "%s%c%s: %s, at least %llu and at most %llu",
				 label->text, label->between, value, unit,
				 (unsigned long long)spec->min, (unsigned long long)spec->max);
	store(spec, target, number);
	return 0;
}

static int set_size(const struct option_spec *spec, const struct label *label, void *target,
		    const char *value, struct error *err)
{
	u64 bytes, at = 0;
	char size[32];
	size_t len = spec->at ? strcspn(value, "@") : strlen(value);
	int ret = len < sizeof(size) ? 0 : -EINVAL;

	snprintf(size, sizeof(size), "%.*s", (int)len, value);
	if (!ret)
		ret = parse_size(size, spec->unit, &bytes);
	if (!ret && value[len])
		ret = parse_size(value + len + 1, spec->unit, &at);

	if (ret == -ERANGE)
		return error_set(err, ret, "%s%c%s: more than any machine has", label->text,
				 label->between, value);
	if (ret)
		return error_set(err, ret, "%s%c%s: a size, in %s or with a suffix: 512M, 4G",
				 label->text, label->between, value,
				 spec->unit == MIB   ? "MiB"
				 : spec->unit == KIB ? "KiB"
						     : "bytes");
	store(spec, target, bytes);
	if (spec->at)
		*(u64 *)((char *)target + spec->at) = at;
	return 0;
}

/* "a", "a and b", "a, b and c". */
static const char *join(const char *const *words, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; words[i] && len < size; i++)
		len += snprintf(text + len, size - len, "%s%s",
				!i	       ? ""
				: words[i + 1] ? ", "
					       : " and ",
				words[i]);
	return text;
}

static int set_choice(const struct option_spec *spec, const struct label *label, void *target,
		      const char *value, struct error *err)
{
	char names[160];

	for (unsigned i = 0; spec->choices[i]; i++) {
		if (!strcmp(spec->choices[i], value)) {
			store(spec, target, i);
			return 0;
		}
	}
	return error_set(err, -EINVAL, "%s%c%s: there are %s", label->text, label->between, value,
			 join(spec->choices, names, sizeof(names)));
}

/* ---- lists ---- */

#define ITEMS_MAX 32

static const struct option_spec *find_item(const struct option_spec *items, const char *name)
{
	for (; items->name; items++) {
		if (!items->first && !strcmp(items->name, name))
			return items;
	}
	return NULL;
}

/* "ro, direct and share=on|off". */
static const char *list_items(const struct option_spec *items, char *text, size_t size)
{
	const char *words[ITEMS_MAX + 1] = { NULL };
	char usage[ITEMS_MAX][48], value[40];
	unsigned count = 0;

	for (; items->name && count < ITEMS_MAX; items++) {
		if (items->first)
			continue;
		snprintf(usage[count], sizeof(usage[0]), "%s%s%s", items->name,
			 items->type == OPTION_FLAG ? "" : "=",
			 items->type == OPTION_FLAG
				 ? ""
				 : option_value_text(items, value, sizeof(value)));
		words[count] = usage[count];
		count++;
	}
	return join(words, text, size);
}

static int say_unknown_item(const struct option_spec *items, const struct label *label,
			    const char *name, struct error *err)
{
	const char *names[ITEMS_MAX + 1] = { NULL };
	char text[800];
	const char *near;
	unsigned count = 0;

	for (unsigned i = 0; items[i].name && count < ITEMS_MAX; i++) {
		if (!items[i].first)
			names[count++] = items[i].name;
	}
	near = parse_nearest(name, names);
	if (near)
		return error_set(err, -EINVAL, "%s: unknown option '%s': did you mean %s?",
				 label->text, name, near);
	return error_set(err, -EINVAL, "%s: unknown option '%s': there %s %s", label->text, name,
			 count == 1 ? "is" : "are", list_items(items, text, sizeof(text)));
}

static int set_value(const struct option_spec *spec, const struct label *label, void *target,
		     char *value, struct error *err);

static int set_item(const struct option_spec *spec, const struct label *list, void *target,
		    char *value, struct error *err)
{
	struct label label = { .between = '=' };
	char text[64];

	snprintf(label.text, sizeof(label.text), "%.48s: %s", list->text, spec->name);
	if (!value == (spec->type == OPTION_FLAG) || (!value && spec->optional))
		return set_value(spec, &label, target, value, err);
	if (value)
		return error_set(err, -EINVAL, "%s takes no value", label.text);
	return error_set(err, -EINVAL, "%s needs a value: %s=%s", label.text, spec->name,
			 option_value_text(spec, text, sizeof(text)));
}

/* The bare value in front, by which the rest of the list is named in errors. */
static int set_first(const struct option_spec *spec, struct label *label, void *target,
		     char **cursor, struct error *err)
{
	char *value = parse_next_item(cursor);

	int ret;

	if (!value || !*value)
		return error_set(err, -EINVAL, "%s needs a value: %s %s", label->text, label->text,
				 spec->value);
	ret = set_value(spec, label, target, value, err);
	strncat(label->text, " ", sizeof(label->text) - strlen(label->text) - 1);
	strncat(label->text, value, sizeof(label->text) - strlen(label->text) - 1);
	return ret;
}

static int set_list(const struct option_spec *list, const struct label *name, void *target,
		    char *value, struct error *err)
{
	const struct option_spec *items = list->items;
	struct label label = *name;
	char *item, *all = value, *cursor = value;
	u32 given = 0;
	int ret = items->first ? set_first(items, &label, target, &cursor, err) : 0;

	while (!ret && (item = parse_next_option(&cursor, &value))) {
		const struct option_spec *spec = find_item(items, item);

		if (!spec)
			return say_unknown_item(items, &label, item, err);
		assert(spec - items < ITEMS_MAX);
		if (given & 1U << (spec - items) && value && !spec->many)
			return error_set(err, -EINVAL, "%s: %s is given twice", label.text, item);
		given |= 1U << (spec - items);
		ret = set_item(spec, &label, target, value, err);
	}
	return !ret && list->set ? list->set(target, all, err) : ret;
}

/* ---- all of them ---- */

static int set_value(const struct option_spec *spec, const struct label *label, void *target,
		     char *value, struct error *err)
{
	switch (spec->type) {
	case OPTION_FLAG:
		store(spec, target, true);
		return 0;
	case OPTION_WORD:
	case OPTION_FILE:
		return set_word(spec, label, target, value, err);
	case OPTION_NUMBER:
		return set_number(spec, label, target, value, err);
	case OPTION_SIZE:
		return set_size(spec, label, target, value, err);
	case OPTION_CHOICE:
		return set_choice(spec, label, target, value, err);
	case OPTION_LIST:
		return set_list(spec, label, target, value, err);
	default:
		return spec->set(target, value, err);
	}
}

int option_set(const struct option_spec *spec, void *target, char *value, struct error *err)
{
	struct label label = { .between = ' ' };

	snprintf(label.text, sizeof(label.text), "--%s", spec->name);
	return set_value(spec, &label, target, value, err);
}

bool option_is_item(const struct option_spec *spec, const char *word)
{
	size_t len = strcspn(word, "=");

	for (const struct option_spec *item = spec->items; item && item->name; item++) {
		if (strlen(item->name) == len && !strncmp(word, item->name, len) &&
		    (word[len] == '=' || item->type == OPTION_FLAG))
			return true;
	}
	return false;
}
