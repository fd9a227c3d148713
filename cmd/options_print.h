/* SPDX-License-Identifier: BSD-2-Clause */
/* What tables of options say of themselves, on stdout. */
#ifndef CMD_OPTIONS_PRINT_H
#define CMD_OPTIONS_PRINT_H

#include "util/option.h"

/* For "lkvm help": two columns, and beneath an option those of its list. */
void options_print_help(const struct option_spec *specs);
/* Text as roff shows it: neither a '-' nor the first character of a line means anything else. */
void options_print_roff(const char *text);
/* For the manual page: a tagged paragraph for each, in man(7)'s language. */
void options_print_manual(const struct option_spec *specs);
/* For bash's completion: the options, each followed by a space. */
void options_print_words(const struct option_spec *specs);
/*
 * And what may follow them: an arm of a "case" for each that has a value, which fills
 * the array COMPREPLY from $cur with the script's own _lkvm_words and _lkvm_files.
 */
void options_print_cases(const struct option_spec *specs);

#endif
