/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "options_print.h"

/* ---- values ---- */

/* The first item of a list that is a bare value; NULL. */
static const struct option_spec *first_item(const struct option_spec *spec)
{
	return spec->type == OPTION_LIST && spec->items->first ? spec->items : NULL;
}

/* "256", or "" where nothing is preset. */
static const char *preset_text(const struct option_spec *spec, char *text, size_t size)
{
	text[0] = '\0';
	/* Where help names the choices itself, none is made by default. */
	if (spec->type == OPTION_CHOICE && !spec->value)
		snprintf(text, size, "%s", spec->choices[spec->preset]);
	else if ((spec->type == OPTION_NUMBER || spec->type == OPTION_SIZE) && spec->preset)
		snprintf(text, size, "%llu",
			 (unsigned long long)(spec->preset /
					      (spec->type == OPTION_SIZE ? spec->unit : 1)));
	return text;
}

/* ---- help ---- */

#define HELP_COLUMN 31

static void print_row(const char *left, const struct option_spec *spec)
{
	char preset[40];

	preset_text(spec, preset, sizeof(preset));
	if (strlen(left) > HELP_COLUMN - 1)
		printf("  %s\n  %*s %s", left, HELP_COLUMN - 1, "", spec->help);
	else
		printf("  %-*s %s", HELP_COLUMN - 1, left, spec->help);
	if (*preset)
		printf(" (%s)", preset);
	putchar('\n');
}

static void print_help_item(const struct option_spec *item)
{
	char left[100], value[64];
	bool bare = item->type == OPTION_FLAG;

	snprintf(left, sizeof(left), "        %s%s%s", item->name, bare ? "" : "=",
		 bare ? "" : option_value_text(item, value, sizeof(value)));
	print_row(left, item);
}

static void print_help_option(const struct option_spec *spec)
{
	const struct option_spec *first = first_item(spec);
	char left[100], value[64];
	int len;

	if (spec->letter)
		len = snprintf(left, sizeof(left), "-%c, --%s", spec->letter, spec->name);
	else
		len = snprintf(left, sizeof(left), "    --%s", spec->name);
	if (first)
		snprintf(left + len, sizeof(left) - len, " %s%s", first->value,
			 first[1].name ? "[,...]" : "");
	else if (spec->type != OPTION_FLAG)
		snprintf(left + len, sizeof(left) - len, spec->optional ? "[=%s]" : " %s",
			 option_value_text(spec, value, sizeof(value)));
	print_row(left, spec);
	for (const struct option_spec *item = spec->items; item && item->name; item++) {
		if (!item->first)
			print_help_item(item);
	}
}

void options_print_help(const struct option_spec *specs)
{
	for (; specs->name; specs++)
		print_help_option(specs);
}

/* ---- the manual page ---- */

void options_print_roff(const char *text)
{
	bool begins = true;

	for (; *text; text++) {
		/* There these two begin a request, and the line would be lost. */
		if (begins && (*text == '\'' || *text == '.'))
			printf("\\&");
		begins = *text == '\n';
		if (*text == '-')
			printf("\\-");
		else if (*text == '\\')
			printf("\\e");
		else
			putchar(*text);
	}
}

/* "virtio-net: ...", "x86: ...", "auto: ...", "kvmtool's". */
static bool begins_with_name(const char *text)
{
	size_t len = strcspn(text, " ");

	return strcspn(text, "-0123456789:'") < len;
}

/* A number that is bounded by its type alone has no limits that anybody wants to know. */
static void print_limits(const struct option_spec *spec)
{
	char preset[40];

	if (spec->type == OPTION_NUMBER && spec->max < INT32_MAX)
		printf(" From %llu to %llu.", (unsigned long long)spec->min,
		       (unsigned long long)spec->max);
	if (!*preset_text(spec, preset, sizeof(preset)))
		return;
	printf(" Default: ");
	options_print_roff(preset);
	putchar('.');
}

/* One sentence, or more. */
static void print_explanation(const struct option_spec *spec)
{
	const char *text = spec->manual ? spec->manual : spec->help;

	/* A phrase becomes a sentence, unless it begins with a name or a word of the option's. */
	if (islower((unsigned char)text[0]) && !begins_with_name(text))
		putchar(toupper((unsigned char)*text++));
	options_print_roff(text);
	if (text[strlen(text) - 1] != '.')
		putchar('.');
	print_limits(spec);
	putchar('\n');
}

static void print_manual_value(const struct option_spec *spec)
{
	char value[64];

	printf(spec->value ? "\\fI" : "\\fB");
	options_print_roff(option_value_text(spec, value, sizeof(value)));
	printf("\\fR");
}

static void print_manual_item(const struct option_spec *item)
{
	printf(".TP\n\\fB");
	options_print_roff(item->name);
	printf("\\fR");
	if (item->type != OPTION_FLAG) {
		printf("=");
		print_manual_value(item);
	}
	printf("\n");
	print_explanation(item);
}

static void print_manual_tag(const struct option_spec *spec)
{
	const struct option_spec *first = first_item(spec);

	if (spec->letter)
		printf("\\fB\\-%c\\fR, ", spec->letter);
	printf("\\fB\\-\\-");
	options_print_roff(spec->name);
	printf("\\fR");
	if (first) {
		printf(" ");
		print_manual_value(first);
		printf(first[1].name ? "[,...]" : "");
	} else if (spec->type != OPTION_FLAG) {
		printf(spec->optional ? "[=" : " ");
		print_manual_value(spec);
		printf(spec->optional ? "]" : "");
	}
	printf("\n");
}

void options_print_manual(const struct option_spec *specs)
{
	for (; specs->name; specs++) {
		bool list = specs->type == OPTION_LIST && specs->items[!!first_item(specs)].name;

		printf(".TP\n");
		print_manual_tag(specs);
		print_explanation(specs);
		if (list)
			printf(".RS\n");
		for (const struct option_spec *item = specs->items; list && item->name; item++) {
			if (!item->first)
				print_manual_item(item);
		}
		if (list)
			printf(".RE\n");
	}
}

/* ---- completion ---- */

void options_print_words(const struct option_spec *specs)
{
	for (; specs->name; specs++)
		printf("--%s ", specs->name);
}

static void print_choices(const struct option_spec *spec, const char *before)
{
	for (unsigned i = 0; spec->choices[i]; i++)
		printf("%s%s ", before, spec->choices[i]);
}

/* The first item of a list that has none in front: "bypass=on", "max-mappings=". */
static void print_items(const struct option_spec *items)
{
	for (; items->name; items++) {
		char before[64];

		snprintf(before, sizeof(before), "%s=", items->name);
		if (items->type == OPTION_CHOICE)
			print_choices(items, before);
		else
			printf("%s ", items->type == OPTION_FLAG ? items->name : before);
	}
}

static void print_case(const struct option_spec *spec)
{
	const struct option_spec *first = first_item(spec);
	bool file = (first ? first : spec)->type == OPTION_FILE;

	printf("\t\t--%s", spec->name);
	if (spec->letter)
		printf("|-%c", spec->letter);
	printf(") ");
	/* A value that may be left out is followed by other options. */
	if (spec->optional)
		printf("if [[ $cur != -* ]]; then ");
	if (file)
		printf("_lkvm_files");
	else
		printf("_lkvm_words \"");
	if (spec->type == OPTION_CHOICE)
		print_choices(spec, "");
	else if (spec->type == OPTION_LIST && !first)
		print_items(spec->items);
	printf("%s; return%s ;;\n", file ? "" : "\"", spec->optional ? "; fi" : "");
}

void options_print_cases(const struct option_spec *specs)
{
	for (; specs->name; specs++) {
		if (specs->type != OPTION_FLAG)
			print_case(specs);
	}
}
