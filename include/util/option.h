/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options as tables. An entry says what an option is called, how it is explained, and where its
 * value goes. Command line, help, manual page and the shell's completion are made from it, so an
 * option is documented where it is defined and nowhere else.
 *
 * A value that is itself a list of options ("FILE,ro,format=raw") has a table of its own, @items.
 */
#ifndef UTIL_OPTION_H
#define UTIL_OPTION_H

#include "util/error.h"
#include "util/types.h"

enum option_type {
	OPTION_FLAG,	/* has no value; stores true in a bool, or nothing if there is no field */
	OPTION_WORD,	/* text: const char *, which points into argv */
	OPTION_FILE,	/* the same, and names a file */
	OPTION_NUMBER,	/* from min to max: an integer of 4 or 8 bytes */
	OPTION_SIZE,	/* in units of @unit, or with a suffix K to P: u64, bytes */
	OPTION_CHOICE,	/* one of @choices: its index, in a bool, an enum or an integer */
	OPTION_LIST,	/* options of @items; their offsets count from the same target */
	OPTION_CALL,	/* what set() makes of it */
	OPTION_REFUSED, /* known, and not taken: @help says why, and what to use */
};

struct option_spec {
	char letter; /* of the short form; 0: none */
	const char *name;
	enum option_type type;
	const char *value;  /* what the help calls the value; NULL: its choices */
	const char *help;   /* a phrase that explains it on one line. Never NULL */
	const char *manual; /* sentences for the manual page; NULL: @help is enough */
	u32 offset, size;   /* the field of the target that has the value: OPTION_FIELD() */
	u64 min, max;	    /* of OPTION_NUMBER, inclusive */
	u64 unit;	    /* of OPTION_SIZE, bytes */
	u32 at; /* of OPTION_SIZE: the u64 of the target that has what follows '@'. 0: nothing may
		 */
	u64 preset;		    /* the value where none is given: NUMBER, SIZE, CHOICE */
	const char *const *choices; /* ended by NULL */
	const struct option_spec *items;
	/*
	 * Of OPTION_CALL: -errno with a line in @err. @value: NULL if none was given; lives as long
	 * as argv. Of OPTION_LIST: called once the items are stored; @value is then the first one.
	 */
	int (*set)(void *target, char *value, struct error *err);
	bool optional; /* the value may be left out */
	bool many;     /* may be given again; else a second value is refused */
	bool first;    /* of the first item of a list: a bare value without "name=" */
};

/* Where an option's value goes. */
#define OPTION_FIELD(type, field)                                                                  \
	.offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

/* For .choices. */
extern const char *const option_off_on[];

/* Options that are not given: put the presets into @target, those of the items included. */
void option_preset(const struct option_spec *specs, void *target);

/*
 * Store @value (NULL: none was given; else changed and kept) in @target. -EINVAL, -ERANGE with a
 * line that begins with "--name".
 */
int option_set(const struct option_spec *spec, void *target, char *value, struct error *err);

/*
 * Put back what a @target has to which @spec was not given. -EINVAL: nobody knows what that is, as
 * for OPTION_CALL.
 */
int option_undo(const struct option_spec *spec, void *target);

/*
 * How the value is written, for people: "FILE", "mmio|pci"; "" for a flag. In @text of @size, or a
 * constant.
 */
const char *option_value_text(const struct option_spec *spec, char *text, size_t size);

/*
 * Whether @word can only be a value of @spec: it begins with an item of its list and '=', or is
 * one that is a flag.
 */
bool option_is_item(const struct option_spec *spec, const char *word);

#endif
