/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run_as.h"
#include "run_options.h"
#include "util/parse.h"
#include "util/reach.h"

#define MOST_ID (UINT32_MAX - 1ull)

/* By the files alone: of a program that is linked statically the C library asks nobody else. */
static int find_user(const char *name, struct confine_user *user)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry;
	int ret = -ENOENT;

	while (ret && file && (entry = fgetpwent(file))) {
		if (strcmp(entry->pw_name, name))
			continue;
		user->uid = entry->pw_uid;
		user->gid = entry->pw_gid;
		ret = 0;
	}
	if (file)
		fclose(file);
	return ret;
}

static int find_group(const char *name, unsigned *gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *entry;
	int ret = -ENOENT;

	while (ret && file && (entry = fgetgrent(file))) {
		if (strcmp(entry->gr_name, name))
			continue;
		*gid = entry->gr_gid;
		ret = 0;
	}
	if (file)
		fclose(file);
	return ret;
}

static bool is_number(const char *word)
{
	return *word >= '0' && *word <= '9';
}

static int parse_user(const char *word, struct confine_user *user)
{
	u64 id;

	if (!is_number(word))
		return find_user(word, user);
	if (parse_u64(word, MOST_ID, &id))
		return -EINVAL;
	user->uid = user->gid = id;
	return 0;
}

static int parse_group(const char *word, struct confine_user *user)
{
	u64 id;

	if (!is_number(word))
		return find_group(word, &user->gid);
	if (parse_u64(word, MOST_ID, &id))
		return -EINVAL;
	user->gid = id;
	return 0;
}

int run_as_parse(const char *word, struct confine_user *user, struct error *err)
{
	const char *colon = strchr(word, ':');
	char name[64];

	if (snprintf(name, sizeof(name), "%.*s", (int)(colon ? colon - word : (long)strlen(word)),
		     word) >= (int)sizeof(name) ||
	    !*name || parse_user(name, user))
		return error_set(err, -EINVAL, "--run-as %s: there is no such user here", word);
	if (colon && (!colon[1] || parse_group(colon + 1, user)))
		return error_set(err, -EINVAL, "--run-as %s: there is no such group here", word);
	if (!user->uid || !user->gid)
		return error_set(err, -EINVAL,
				 "--run-as %s: root, or root's group, is what lkvm is to lose: "
				 "name another, or keep it with --no-run-as",
				 word);
	user->wanted = true;
	return 0;
}

int run_as_check(const struct run_options *options, struct error *err)
{
	if (!options->run_as.wanted)
		return 0;
	if (options->no_confine)
		return error_set(err, -EINVAL, "--run-as and --no-confine: one of them");
	if (geteuid())
		return error_set(err, -EINVAL,
				 "--run-as: only root can become another user: leave it out");
	return 0;
}

int run_as_check_needs(const struct run_options *options, struct error *err)
{
	const char *what = options->dump ? "--dump-on-crash" : reach_user_needed();

	if (!options->run_as.wanted || !what)
		return 0;
	return error_set(err, -EINVAL,
			 "--run-as: %s goes on to need the user who starts lkvm: leave one of them "
			 "out",
			 what);
}
