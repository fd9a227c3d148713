/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm result: what runs for a command left (--result), in the languages of test reports. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "oneshot_result.h"
#include "util/file.h"
#include "util/log.h"
#include "verbs.h"

#define LARGEST (16 * MIB)

enum format { FORMAT_NONE, FORMAT_JUNIT, FORMAT_TAP };

struct result_options {
	enum format format;
	const char **files; /* owned */
	unsigned count;
};

enum outcome {
	PASSED,
	FAILED, /* the command's own affair */
	ERROR,	/* anything else */
};

struct outcome_of {
	const char *name;
	json_t *json; /* owned; NULL: there is no result */
	enum outcome outcome;
	const char *verdict, *reason, *console; /* of @json, or constants */
	double seconds;
};

/* ---- reading ---- */

/* One that ends early: a run was killed while it wrote it, or its disk was full. */
static bool is_cut(int fd)
{
	static const char start[] = RESULT_START;
	char found[sizeof(start) - 1];

	return pread(fd, found, sizeof(found), 0) == sizeof(found) &&
	       !memcmp(found, start, sizeof(found));
}

/* An empty one is what a run leaves that did not come so far. */
static int load(const char *path, json_t **json, struct error *err)
{
	json_error_t why;
	struct stat st;
	int fd = file_open_regular("result", path, O_RDONLY, &st, err), ret = 0;

	if (fd < 0)
		return fd;
	if (st.st_size > (off_t)LARGEST)
		ret = error_set(err, -EFBIG, "result %s: larger than any", path);
	if (!ret && st.st_size) {
		*json = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);
		if (!*json && is_cut(fd))
			log_warning("result %s: is not whole", path);
		else if (!json_string_value(json_object_get(*json, "verdict")))
			ret = error_set(err, -EINVAL, "result %s: is none of lkvm's", path);
	}
	close(fd);
	return ret;
}

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static void judge(struct outcome_of *of)
{
	const json_t *times = json_object_get(of->json, "milliseconds");

	of->verdict = of->json ? text_of(of->json, "verdict") : "none";
	of->reason = of->json ? text_of(of->json, "reason")
			      : "there is no whole result: the run ended before it had one";
	of->console = text_of(of->json, "console");
	of->seconds = json_integer_value(json_object_get(times, "total")) / 1e3;
	if (strcmp(of->verdict, "exited") && strcmp(of->verdict, "killed"))
		of->outcome = ERROR;
	else if (!strcmp(of->verdict, "exited") &&
		 !json_integer_value(json_object_get(of->json, "exit_code")))
		of->outcome = PASSED;
	else
		of->outcome = FAILED;
}

/* ---- JUnit's XML ---- */

/* XML 1.0, "Characters": most controls may not even be written as references. */
static void print_xml(const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			printf("&amp;");
			break;
		case '<':
			printf("&lt;");
			break;
		case '>':
			printf("&gt;");
			break;
		case '"':
			printf("&quot;");
			break;
		default:
			putchar((*text >= ' ' && *text <= '~') || *text == '\n' || *text == '\t'
					? *text
					: '?');
		}
	}
}

static void print_junit_case(const struct outcome_of *of)
{
	const char *element = of->outcome == FAILED ? "failure" : "error";

	printf("  <testcase classname=\"lkvm\" name=\"");
	print_xml(of->name);
	printf("\" time=\"%.3f\">\n", of->seconds);
	if (of->outcome != PASSED) {
		printf("   <%s type=\"", element);
		print_xml(of->verdict);
		printf("\" message=\"");
		print_xml(of->reason);
		printf("\"></%s>\n", element);
	}
	printf("   <system-err>");
	print_xml(of->console);
	printf("</system-err>\n  </testcase>\n");
}

static void print_junit(const struct outcome_of *list, unsigned count)
{
	unsigned of[ERROR + 1] = { 0 };
	double seconds = 0;

	for (unsigned i = 0; i < count; i++) {
		of[list[i].outcome]++;
		seconds += list[i].seconds;
	}
	printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
	       " <testsuite name=\"lkvm\" tests=\"%u\" failures=\"%u\" errors=\"%u\" "
	       "time=\"%.3f\">\n",
	       count, of[FAILED], of[ERROR], seconds);
	for (unsigned i = 0; i < count; i++)
		print_junit_case(&list[i]);
	printf(" </testsuite>\n</testsuites>\n");
}

/* ---- TAP ---- */

/* A '#' would begin a directive, such as SKIP. */
static void print_description(const char *text)
{
	for (; *text; text++) {
		if (*text == '#' || *text == '\\')
			putchar('\\');
		putchar(*text >= ' ' && *text <= '~' ? *text : '?');
	}
}

/* A string in double quotes, as YAML and JSON have it. */
static void print_quoted(const char *key, const char *text)
{
	json_t *string = json_string(text);
	char *quoted = json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	printf("  %s: %s\n", key, quoted ? quoted : "\"\"");
	free(quoted);
	json_decref(string);
}

static void print_tap(const struct outcome_of *list, unsigned count)
{
	printf("TAP version 13\n1..%u\n", count);
	for (unsigned i = 0; i < count; i++) {
		printf("%s %u - ", list[i].outcome == PASSED ? "ok" : "not ok", i + 1);
		print_description(list[i].name);
		printf("\n");
		if (list[i].outcome == PASSED)
			continue;
		printf("  ---\n");
		print_quoted("verdict", list[i].verdict);
		print_quoted("reason", list[i].reason);
		print_quoted("console", list[i].console);
		printf("  ...\n");
	}
}

/* ---- the command ---- */

static int take_word(void *target, unsigned n, char *word, struct error *err)
{
	static const char *const formats[] = { [FORMAT_JUNIT] = "junit", [FORMAT_TAP] = "tap" };
	struct result_options *options = target;
	const char **more;

	if (!n) {
		for (unsigned i = FORMAT_JUNIT; i < ARRAY_SIZE(formats); i++) {
			if (!strcmp(word, formats[i]))
				options->format = i;
		}
		return options->format ? 0
				       : error_set(err, -EINVAL,
						   "result %s: there are junit and tap", word);
	}
	more = realloc(options->files, (options->count + 1) * sizeof(*more));
	if (!more)
		return error_set(err, -ENOMEM, "out of memory");
	options->files = more;
	options->files[options->count++] = word;
	return 0;
}

/* All are read before anything is printed. */
static int read_all(const struct result_options *options, struct outcome_of *list,
		    struct error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < options->count && !ret; i++) {
		list[i].name = options->files[i];
		ret = load(options->files[i], &list[i].json, err);
		judge(&list[i]);
	}
	return ret;
}

static int run_result(const void *arg)
{
	const struct result_options *options = arg;
	struct outcome_of *list = calloc(options->count, sizeof(*list));
	struct error err = { "" };
	int ret = list ? read_all(options, list, &err) : error_set(&err, -ENOMEM, "out of memory");

	if (ret)
		log_error("%s", err.text);
	else if (options->format == FORMAT_JUNIT)
		print_junit(list, options->count);
	else
		print_tap(list, options->count);
	for (unsigned i = 0; list && i < options->count; i++)
		json_decref(list[i].json);
	free(list);
	free(options->files);
	return ret ? EXIT_USAGE : EXIT_OK;
}

const struct verb result_verb = {
	"result",
	"junit|tap FILE...",
	"turn results of runs into a test report",
	NULL,
	take_word,
	2,
	run_result,
	"Print what runs for a command left (run --result FILE) as one report: JUnit's XML, or\n"
	"TAP. A command that ended with status 0 passed, one that ended otherwise failed; any\n"
	"other verdict, or a file that is empty, is an error. All text in it is printable ASCII.\n"
	"The status is 0 whatever the results are, and 2 if a FILE is no result.",
};
