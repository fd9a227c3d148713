/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cmd.h"
#include "iommu.h"
#include "list.h"
#include "options.h"
#include "util/log.h"
#include "util/parse.h"
#include "vmm/control.h"

/* Of silence, from a VM that was asked for what it has at hand. */
#define ANSWER_SECONDS 10

/* How long the socket may be silent, and how long it may refuse to take what we say; 0: for ever.
 */
static int set_deadline(int fd, int seconds)
{
	const struct timeval limit = { .tv_sec = seconds };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
			       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit))
		       ? -errno
		       : 0;
}

/* ---- asking ---- */

static int say_no_vm(const char *name)
{
	struct running_vm *vms;
	int count = list_running(&vms);
	char names[400] = "";
	size_t len = 0;

	for (int i = 0; i < count && len < sizeof(names); i++)
		len += snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
				vms[i].name);
	if (count > 0)
		log_error("no VM %s is running; there is: %s", name, names);
	else
		log_error("no VM %s is running; there is none at all", name);
	free(vms);
	return EXIT_USAGE;
}

/* EXIT_OK, or what has been said. @ask is put down. */
static int query_begin(struct iommu_query *query, const char *name, json_t *ask)
{
	char request[CONTROL_REQUEST];
	int fd = control_connect(name, NULL);
	size_t len = json_dumpb(ask, request, sizeof(request) - 1, JSON_COMPACT);

	json_decref(ask);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return say_no_vm(name);
	if (fd < 0) {
		log_error("%s: %s", name,
			  fd == -EAGAIN ? "busy with others' questions" : strerror(-fd));
		return EXIT_HOST;
	}
	*query = (struct iommu_query){ .name = name, .answer = fdopen(fd, "r") };
	if (!query->answer || !len || len >= sizeof(request) || set_deadline(fd, ANSWER_SECONDS)) {
		log_error("the request is too long, or out of memory");
		if (query->answer)
			fclose(query->answer);
		else
			close(fd);
		return EXIT_HOST;
	}
	request[len++] = '\n';
	/* What goes wrong here shows when we read. */
	send(fd, request, len, MSG_NOSIGNAL);
	return EXIT_OK;
}

void query_follow(struct iommu_query *query)
{
	query->ended = true;
	set_deadline(fileno(query->answer), 0);
}

json_t *query_next(struct iommu_query *query)
{
	char line[CONTROL_LINE + 1];
	json_t *json;
	const char *error;

	errno = 0;
	if (!fgets(line, sizeof(line), query->answer)) {
		if (query->ended)
			return NULL;
		query->status = EXIT_HOST;
		if (errno == EAGAIN)
			log_error("%s does not answer", query->name);
		else
			log_error("%s ended", query->name);
		return NULL;
	}
	json = json_loads(line, 0, NULL);
	error = json_string_value(json_object_get(json, "error"));
	if (json && !error)
		return json;
	query->status = error ? EXIT_USAGE : EXIT_HOST;
	log_error("%s: %s", query->name, error ? error : "it does not speak our language");
	json_decref(json);
	return NULL;
}

/* ---- show, trace, fault ---- */

static int run_show(const struct iommu_options *options)
{
	json_t *ask = json_pack("{ss,sb}", "command", "iommu-show", "mappings", options->mappings);
	struct iommu_query query;
	int status = query_begin(&query, options->name, ask);

	if (status)
		return status;
	status = options->json ? iommu_print_json(&query, options)
			       : iommu_print_table(&query, options);
	fclose(query.answer);
	return status;
}

static int run_trace(const struct iommu_options *options)
{
	struct iommu_query query;
	int status = query_begin(&query, options->name,
				 json_pack("{ss}", "command", "iommu-trace"));

	if (status)
		return status;
	status = iommu_print_trace(&query);
	fclose(query.answer);
	return status;
}

static int run_fault(const struct iommu_options *options)
{
	const char *access = options->access ? options->access : "write";
	json_t *ask, *answer;
	struct iommu_query query;
	int status;

	if (!options->endpoint || !options->address) {
		log_error("usage: lkvm iommu fault NAME ENDPOINT ADDRESS [read|write]");
		return EXIT_USAGE;
	}
	ask = json_pack("{ss,ss,ss,ss}", "command", "iommu-fault", "endpoint", options->endpoint,
			"address", options->address, "access", access);
	status = query_begin(&query, options->name, ask);
	if (status)
		return status;
	answer = query_next(&query);
	json_decref(answer);
	fclose(query.answer);
	return query.status;
}

/* ---- the words of the command line ---- */

static int set_json(void *target, char *value, struct error *err)
{
	((struct iommu_options *)target)->json = true;
	return 0;
}

static int set_mappings(void *target, char *value, struct error *err)
{
	((struct iommu_options *)target)->mappings = true;
	return 0;
}

static int set_help(void *target, char *value, struct error *err)
{
	((struct iommu_options *)target)->help = true;
	return 0;
}

#define HELP                                                                                       \
	{                                                                                          \
		'h', "help", OPTION_FLAG, NULL, "this text", set_help                              \
	}

static const struct option_spec show_specs[] = {
	{ 0, "json", OPTION_FLAG, NULL, "for programs", set_json },
	{ 0, "mappings", OPTION_FLAG, NULL, "with the list of mappings", set_mappings },
	HELP,
	{ 0 },
};

static const struct option_spec plain_specs[] = { HELP, { 0 } };

static int set_name(void *target, char *word, struct error *err)
{
	struct iommu_options *options = target;

	if (options->name)
		return error_set(err, -EINVAL, "'%s': one VM at a time", word);
	/* A path would lead to somebody else's socket. */
	options->name = word;
	return control_check_name(word, err);
}

static int set_fault_word(void *target, char *word, struct error *err)
{
	struct iommu_options *options = target;

	if (!options->name)
		return set_name(target, word, err);
	if (!options->endpoint)
		options->endpoint = word;
	else if (!options->address)
		options->address = word;
	else if (!options->access)
		options->access = word;
	else
		return error_set(err, -EINVAL, "'%s': there is nothing after read or write", word);
	return 0;
}

static const struct verb {
	const char *name, *arguments, *summary;
	const struct option_spec *specs;
	int (*word)(void *target, char *word, struct error *err);
	int (*run)(const struct iommu_options *options);
} verbs[] = {
	{ "show", "NAME [--json] [--mappings]", "what the IOMMU of a running VM holds", show_specs,
	  set_name, run_show },
	{ "trace", "NAME", "follow its requests and faults, to Ctrl-C or the VM's end", plain_specs,
	  set_name, run_trace },
	{ "fault", "NAME ENDPOINT ADDRESS [read|write]",
	  "put a fault report into the guest's event queue, for driver developers", plain_specs,
	  set_fault_word, run_fault },
};

static const struct verb *find_verb(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[ARRAY_SIZE(verbs) + 1] = { NULL };
	const char *near;

	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	near = parse_nearest(name, names);
	if (near)
		log_error("lkvm iommu %s: did you mean '%s'?", name, near);
	else
		log_error("lkvm iommu %s: there are show, trace and fault", name);
	return EXIT_USAGE;
}

int cmd_iommu(int argc, char **argv)
{
	struct iommu_options options = { 0 };
	struct error err = { "" };
	const struct verb *verb;

	if (argc < 2) {
		log_error("usage: lkvm iommu show|trace|fault NAME");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		cmd_iommu_help();
		return EXIT_OK;
	}
	verb = find_verb(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	if (options_parse(verb->specs, argc - 1, argv + 1, &options, verb->word, &err)) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (options.help) {
		cmd_iommu_help();
		return EXIT_OK;
	}
	if (!options.name) {
		log_error("usage: lkvm iommu %s %s", verb->name, verb->arguments);
		return EXIT_USAGE;
	}
	return verb->run(&options);
}

void cmd_iommu_help(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++) {
		printf("%s lkvm iommu %s %s\n", i ? "      " : "usage:", verbs[i].name,
		       verbs[i].arguments);
	}
	printf("\n");
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
	printf("\n");
	options_print(show_specs);
	printf("\nNAME is that of 'lkvm run --name NAME'; 'lkvm list' lists those that run.\n");
}
