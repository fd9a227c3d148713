/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm image: images without a VM. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "disk/image.h"
#include "json_name.h"
#include "util/log.h"
#include "util/parse.h"
#include "verbs.h"

struct image_options {
	const char *path, *other; /* the second word */
	const char *backing;
	enum disk_format backing_format, from;
	u64 cluster_size;
	bool qcow2; /* the new image */
	bool json, repair, compress, backing_anywhere;
};

/* What the user asked for cannot be done, or the host failed. */
static int fail(const struct error *err, int ret)
{
	log_error("%s", err->text);
	return ret == -EIO || ret == -ENOSPC || ret == -ENOMEM ? EXIT_HOST : EXIT_USAGE;
}

static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(json);
}

static enum disk_format new_format(const struct image_options *options)
{
	return options->qcow2 ? DISK_FORMAT_QCOW2 : DISK_FORMAT_RAW;
}

/* ---- create ---- */

static int run_create(const void *arg)
{
	const struct image_options *options = arg;
	struct image_creation creation = {
		.format = new_format(options),
		.cluster_size = options->cluster_size,
		.backing = options->backing,
		.backing_format = options->backing_format,
	};
	struct error err = { "" };
	int ret;

	if (!options->qcow2 && (options->backing || options->cluster_size)) {
		log_error("a raw image has neither clusters nor a backing file: --format qcow2");
		return EXIT_USAGE;
	}
	if (options->backing && options->backing_format == DISK_FORMAT_GUESS) {
		log_error("say what %s is: --backing-format raw|qcow2", options->backing);
		return EXIT_USAGE;
	}
	if (!options->other && !options->backing) {
		log_error("a size is missing, such as 10G");
		return EXIT_USAGE;
	}
	if (options->other && parse_size(options->other, 1, &creation.size)) {
		log_error("'%s' is no size: bytes, or with K, M, G, T", options->other);
		return EXIT_USAGE;
	}
	ret = image_create(options->path, &creation, &err);
	return ret ? fail(&err, ret) : EXIT_OK;
}

/* ---- info ---- */

static json_t *info_json(const char *path, const struct image_info *info)
{
	json_t *json = json_pack("{so,ss,sI,sI}", "file", json_name(path), "format", info->format,
				 "size", (json_int_t)info->size, "allocated",
				 (json_int_t)info->allocated);

	if (!info->version)
		return json;
	json_object_set_new(json, "qcow2",
			    json_pack("{si,si,si,si,ss,sb,sb,sb}", "version", info->version,
				      "cluster-size", info->cluster_size, "refcount-bits",
				      info->refcount_bits, "snapshots", info->snapshots,
				      "compression", info->zstd ? "zstd" : "zlib", "dirty",
				      info->dirty, "corrupt", info->corrupt, "lazy-refcounts",
				      info->lazy_refcounts));
	if (!*info->backing)
		return json;
	json_object_set_new(json, "backing", json_name(info->backing));
	if (*info->backing_format)
		json_object_set_new(json, "backing-format", json_name(info->backing_format));
	return json;
}

static void info_print(const char *path, const struct image_info *info)
{
	printf("%s: %s, %llu bytes, %llu on the host\n", path, info->format,
	       (unsigned long long)info->size, (unsigned long long)info->allocated);
	if (!info->version)
		return;
	printf("qcow2 version %u, clusters of %u bytes, refcounts of %u bits, %s, %u "
	       "snapshots%s%s\n",
	       info->version, info->cluster_size, info->refcount_bits, info->zstd ? "zstd" : "zlib",
	       info->snapshots, info->dirty ? ", not closed" : "",
	       info->corrupt ? ", marked corrupt" : "");
	if (*info->backing)
		printf("backing file: %s (%s)\n", info->backing,
		       *info->backing_format ? info->backing_format : "format not said");
}

static int run_info(const void *arg)
{
	const struct image_options *options = arg;
	struct image_info info;
	struct error err = { "" };
	int ret = image_get_info(options->path, options->from, &info, &err);

	if (ret)
		return fail(&err, ret);
	if (options->json)
		print_json(info_json(options->path, &info));
	else
		info_print(options->path, &info);
	return EXIT_OK;
}

/* ---- check ---- */

static void check_print(const struct image_options *options, const struct image_check *check)
{
	if (options->json) {
		print_json(json_pack(
			"{so,sI,sI,sI,sI,sI}", "file", json_name(options->path), "errors",
			(json_int_t)check->errors, "leaks", (json_int_t)check->leaks, "clusters",
			(json_int_t)check->clusters, "compressed", (json_int_t)check->packed,
			"repaired", (json_int_t)check->repaired));
		return;
	}
	printf("%s: %llu errors, %llu leaked clusters, %llu clusters used, %llu of them "
	       "compressed\n",
	       options->path, (unsigned long long)check->errors, (unsigned long long)check->leaks,
	       (unsigned long long)check->clusters, (unsigned long long)check->packed);
	if (check->errors)
		printf("the first error: %s\n", check->first);
}

/* As "nothing is wrong" must not be a matter of reading: 1 for errors, also those found by a repair
 * that it cannot mend. */
static int run_check(const void *arg)
{
	const struct image_options *options = arg;
	struct image_check check;
	struct error err = { "" };
	int ret = image_check(options->path, options->repair, &check, &err);

	/* What was wrong is right now, if a second look says so. */
	if (!ret && options->repair && check.repaired) {
		if (!options->json)
			printf("%s: %llu refcounts put right\n", options->path,
			       (unsigned long long)check.repaired);
		ret = image_check(options->path, true, &check, &err);
	}
	if (ret)
		return fail(&err, ret);
	check_print(options, &check);
	return check.errors ? EXIT_HOST : EXIT_OK;
}

/* ---- convert ---- */

static int run_convert(const void *arg)
{
	const struct image_options *options = arg;
	struct image_conversion conversion = {
		.from = options->from,
		.to = new_format(options),
		.compress = options->compress,
		.cluster_size = options->cluster_size,
		.backing_anywhere = options->backing_anywhere,
	};
	struct error err = { "" };
	int ret;

	if (conversion.to == DISK_FORMAT_RAW && (options->compress || options->cluster_size)) {
		log_error("a raw image has no clusters, compressed or not: --format qcow2");
		return EXIT_USAGE;
	}
	ret = image_convert(options->path, options->other, &conversion, &err);
	return ret ? fail(&err, ret) : EXIT_OK;
}

/* ---- the command line ---- */

static int set_word(void *target, unsigned n, char *word, struct error *err)
{
	struct image_options *options = target;

	if (n > 1 || (n && options->other))
		return error_set(err, -EINVAL, "'%s': one word too many", word);
	*(n ? &options->other : &options->path) = word;
	return 0;
}

static int set_path(void *target, unsigned n, char *word, struct error *err)
{
	if (n)
		return error_set(err, -EINVAL, "'%s': one image at a time", word);
	return set_word(target, n, word, err);
}

/* Indices: enum disk_format. */
static const char *const formats[] = { "auto", "raw", "qcow2", NULL };
static const char *const new_formats[] = { "raw", "qcow2", NULL };
static const char *const backings[] = { "folder", "any", NULL };

#define FORMAT                                                                                     \
	{                                                                                          \
		0, "format", OPTION_CHOICE, .help = "of the new image",                            \
					    OPTION_FIELD(struct image_options, qcow2),             \
					    .choices = new_formats                                 \
	}
#define FROM                                                                                       \
	{                                                                                          \
		0, "from", OPTION_CHOICE, .help = "the image's format, where it is not clear",     \
					  OPTION_FIELD(struct image_options, from),                \
					  .choices = formats                                       \
	}
#define CLUSTER                                                                                    \
	{                                                                                          \
		0, "cluster-size", OPTION_SIZE, "SIZE", "of a qcow2 image: 512 to 2M (64K)",       \
			OPTION_FIELD(struct image_options, cluster_size), .unit = 1                \
	}
#define JSON                                                                                       \
	{                                                                                          \
		0, "json", OPTION_FLAG, .help = "for programs",                                    \
					OPTION_FIELD(struct image_options, json)                   \
	}

static const struct option_spec create_specs[] = {
	FORMAT,
	CLUSTER,
	{ 0, "backing", OPTION_FILE, "FILE",
	  "shown where nothing is written; relative to the image's folder",
	  OPTION_FIELD(struct image_options, backing) },
	{ 0, "backing-format", OPTION_CHOICE, "raw|qcow2", "of the backing file: it has to be said",
	  OPTION_FIELD(struct image_options, backing_format), .choices = formats },
	{ 0 },
};

static const struct option_spec info_specs[] = {
	FROM,
	JSON,
	{ 0 },
};

static const struct option_spec check_specs[] = {
	{ 0, "repair", OPTION_FLAG, .help = "put refcounts right, which mends what was not closed",
	  OPTION_FIELD(struct image_options, repair) },
	JSON,
	{ 0 },
};

static const struct option_spec convert_specs[] = {
	FORMAT,
	FROM,
	CLUSTER,
	{ 0, "compress", OPTION_FLAG, .help = "compress a qcow2 image's clusters by zlib",
	  OPTION_FIELD(struct image_options, compress) },
	{ 0, "backing", OPTION_CHOICE, .help = "where the files below it may be",
	  OPTION_FIELD(struct image_options, backing_anywhere), .choices = backings },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "create", "FILE [SIZE] [OPTIONS]", "make an empty image", create_specs, set_word, 1,
	  run_create },
	{ "info", "FILE [--json] [--from FORMAT]", "say what an image is", info_specs, set_path, 1,
	  run_info },
	{ "check", "FILE [--repair] [--json]", "look for what is wrong with a qcow2 image",
	  check_specs, set_path, 1, run_check },
	{ "convert", "FILE NEW [OPTIONS]",
	  "copy an image, with what is below it, into another format", convert_specs, set_word, 2,
	  run_convert },
	{ 0 },
};

const struct verb_family image_family = {
	.command = "image",
	.verbs = verbs,
	.options_size = sizeof(struct image_options),
	.notes = "SIZE is in bytes, or with K, M, G, T; with --backing it may be left out. No file "
		 "that\nexists is written, except by check --repair. The status of check is 0 if "
		 "the "
		 "image is sound\nor has leaks alone, 1 if it has errors.",
};
