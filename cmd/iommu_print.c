/* SPDX-License-Identifier: BSD-2-Clause */
/* What "lkvm iommu" prints. Each line is printed as it comes: there may be a million. */
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "iommu.h"
#include "util/parse.h"

static const char *get_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "-";
}

static unsigned long long get_number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

/* A number, or what there is instead of it. */
static const char *get_cell(const json_t *json, const char *key, char *cell, size_t size)
{
	const json_t *value = json_object_get(json, key);

	if (json_is_integer(value))
		snprintf(cell, size, "%lld", (long long)json_integer_value(value));
	else
		snprintf(cell, size, "-");
	return cell;
}

static const char *item_text(const json_t *json, const char *key, size_t n)
{
	const char *text = json_string_value(json_array_get(json_object_get(json, key), n));

	return text ? text : "-";
}

/* In the largest unit that is whole: "48K". */
static const char *size_text(u64 bytes, char *text, size_t size)
{
	const char *unit = "\0KMGTPE";

	while (bytes && !(bytes % 1024) && unit[1]) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, size, "%llu%.1s", (unsigned long long)bytes, unit);
	return text;
}

/* Whether all bits between the lowest and the highest are set. */
static bool is_mask_whole(u64 mask)
{
	u64 ones = mask >> __builtin_ctzll(mask);

	return !(ones & (ones + 1));
}

/* A mask of page sizes: "4K..1G", if none is left out between them. */
static const char *pages_text(const json_t *json, char *text, size_t size)
{
	u64 mask;
	char low[24], high[24];

	if (parse_u64(get_text(json, "page_sizes"), UINT64_MAX, &mask) || !mask)
		return "-";
	size_text(mask & -mask, low, sizeof(low));
	size_text(1ULL << (63 - __builtin_clzll(mask)), high, sizeof(high));
	if (!strcmp(low, high))
		snprintf(text, size, "%s", low);
	else if (is_mask_whole(mask))
		snprintf(text, size, "%s..%s", low, high);
	else
		snprintf(text, size, "%s", get_text(json, "page_sizes"));
	return text;
}

/* ---- the table ---- */

static void print_device(const json_t *iommu)
{
	char pages[64];

	printf("bypass %s, pages %s, addresses %s-%s\n",
	       json_is_true(json_object_get(iommu, "bypass")) ? "on" : "off",
	       pages_text(iommu, pages, sizeof(pages)), item_text(iommu, "input_range", 0),
	       item_text(iommu, "input_range", 1));
	printf("mappings %llu, at most %llu of %llu; translations %llu, faults %llu, "
	       "reports dropped %llu\n",
	       get_number(iommu, "mappings"), get_number(iommu, "mappings_peak"),
	       get_number(iommu, "max_mappings"), get_number(iommu, "translations"),
	       get_number(iommu, "faults"), get_number(iommu, "reports_dropped"));
}

static void print_requests(const json_t *requests)
{
	const char *type, *status;
	json_t *statuses, *count;

	printf("\nREQUESTS\n");
	json_object_foreach((json_t *)requests, type, statuses)
	{
		if (!json_object_size(statuses))
			continue;
		printf("  %-8s", type);
		json_object_foreach(statuses, status, count)
			printf("  %s %lld", status, (long long)json_integer_value(count));
		printf("\n");
	}
}

static void print_latency(const json_t *buckets)
{
	size_t n;
	json_t *bucket;

	printf("\nLATENCY (ns)          REQUESTS\n");
	json_array_foreach(buckets, n, bucket)
	{
		unsigned long long from = get_number(bucket, "ns");

		printf("  %8llu-%-8llu %10llu\n", from == 1 ? 0 : from, 2 * from - 1,
		       get_number(bucket, "requests"));
	}
}

static void print_endpoint(const json_t *endpoint)
{
	char domain[16], pages[64];
	json_t *region;
	size_t n;

	printf("  %-12s %-18s %-10s %10s %-8s %s-%s", get_text(endpoint, "id"),
	       get_text(endpoint, "name"), get_text(endpoint, "state"),
	       get_cell(endpoint, "domain", domain, sizeof(domain)),
	       pages_text(endpoint, pages, sizeof(pages)), item_text(endpoint, "aperture", 0),
	       item_text(endpoint, "aperture", 1));
	json_array_foreach(json_object_get(endpoint, "reserved"), n, region)
		printf(", %s %s-%s", get_text(region, "type"), get_text(region, "start"),
		       get_text(region, "last"));
	printf("\n");
}

static void print_domain(const json_t *domain)
{
	char size[32];

	printf("  %10llu %10llu %12llu %10s%s\n", get_number(domain, "id"),
	       get_number(domain, "endpoints"), get_number(domain, "mappings"),
	       size_text(get_number(domain, "bytes"), size, sizeof(size)),
	       json_is_true(json_object_get(domain, "bypass")) ? "  bypass" : "");
}

static void print_mapping(const json_t *mapping)
{
	printf("  %10llu %18s-%-18s %18s %s\n", get_number(mapping, "domain"),
	       get_text(mapping, "start"), get_text(mapping, "last"), get_text(mapping, "gpa"),
	       get_text(mapping, "access"));
}

/* The parts of an answer, in its order; what is a list in JSON, and headed in the table. */
static const struct part {
	const char *key, *list;
	const char *head;
	void (*print)(const json_t *value);
} parts[] = {
	{ "iommu", NULL, NULL, print_device },
	{ "requests", NULL, NULL, print_requests },
	{ "latency", NULL, NULL, print_latency },
	{ "endpoint", "endpoints",
	  "  ENDPOINT     NAME               STATE          DOMAIN PAGES    WINDOWS",
	  print_endpoint },
	{ "domain", "domains", "      DOMAIN  ENDPOINTS     MAPPINGS       SIZE", print_domain },
	{ "mapping", "mappings",
	  "      DOMAIN              START-LAST                               GPA ACCESS",
	  print_mapping },
};

/* Which part a line is of, and its value. */
static const struct part *find_part(const json_t *line, const json_t **value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		*value = json_object_get(line, parts[i].key);
		if (*value)
			return &parts[i];
	}
	return NULL;
}

int iommu_print_table(struct query *query)
{
	const struct part *last = NULL;
	json_t *line;

	while ((line = query_next(query))) {
		const json_t *value;
		const struct part *part = find_part(line, &value);

		if (part && part != last && part->head)
			printf("\n%s\n", part->head);
		if (part)
			part->print(value);
		last = part;
		json_decref(line);
	}
	return query->status;
}

/* ---- JSON ---- */

/* One document, written as the parts come. */
struct document {
	unsigned at; /* the part that is being written */
	unsigned count;
	bool follows; /* something stands before, in its list */
};

/* On to the part @to: the lists between are closed and opened, those without elements too. */
static void document_go(struct document *document, unsigned to)
{
	while (document->at < to) {
		if (parts[document->at].list)
			printf("]");
		document->at++;
		document->follows = false;
		if (document->at < document->count && parts[document->at].list)
			printf(",\n\"%s\": [", parts[document->at].list);
	}
}

static void document_add(struct document *document, const struct part *part, const json_t *value)
{
	document_go(document, part - parts);
	if (part->list)
		printf("%s\n", document->follows ? "," : "");
	else
		printf("%s\n\"%s\": ", document->at ? "," : "", part->key);
	json_dumpf(value, stdout, JSON_COMPACT);
	document->follows = true;
}

int iommu_print_json(struct query *query, const struct iommu_options *options)
{
	/* The list of mappings, which is the last, is there if it was asked for. */
	struct document document = { .count = ARRAY_SIZE(parts) - !options->mappings };
	const json_t *value;
	json_t *line;

	while ((line = query_next(query))) {
		const struct part *part = find_part(line, &value);

		if (!document.follows && !document.at)
			printf("{");
		if (part)
			document_add(&document, part, value);
		json_decref(line);
	}
	if (query->ended) {
		document_go(&document, document.count);
		printf("\n}\n");
	}
	return query->status;
}

/* ---- trace ---- */

static void print_time(unsigned long long ns)
{
	time_t seconds = ns / 1000000000;
	struct tm tm;

	localtime_r(&seconds, &tm);
	printf("%02d:%02d:%02d.%06llu", tm.tm_hour, tm.tm_min, tm.tm_sec, ns % 1000000000 / 1000);
}

/* What the event is about, in columns that its kind has. */
static void print_event(const json_t *event)
{
	const json_t *domain = json_object_get(event, "domain");

	print_time(get_number(event, "time"));
	printf(json_object_size(event) > 2 ? " %-7s" : " %s", get_text(event, "what"));
	if (json_object_get(event, "endpoint"))
		printf(" endpoint %s", get_text(event, "endpoint"));
	if (domain)
		printf(" domain %lld", (long long)json_integer_value(domain));
	if (json_object_get(event, "start"))
		printf(" %s-%s", get_text(event, "start"), get_text(event, "last"));
	if (json_object_get(event, "gpa"))
		printf(" to %s", get_text(event, "gpa"));
	if (json_object_get(event, "flags"))
		printf(" flags %s", get_text(event, "flags"));
	if (json_object_get(event, "address"))
		printf(" %s %s", get_text(event, "access"), get_text(event, "address"));
	if (json_object_get(event, "status"))
		printf(" %s", get_text(event, "status"));
	printf("%s\n", json_is_true(json_object_get(event, "injected")) ? " (injected)" : "");
}

int iommu_print_trace(struct query *query)
{
	bool shown = true;
	json_t *line;

	while (shown && (line = query_next(query))) {
		const json_t *event = json_object_get(line, "event");
		const json_t *lost = json_object_get(line, "lost");

		query_follow(query);
		if (event)
			print_event(event);
		if (lost)
			printf("%lld events were lost here: they came faster than they were read\n",
			       (long long)json_integer_value(lost));
		json_decref(line);
		shown = query_shown();
	}
	return query->status;
}
