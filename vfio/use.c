/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "use.h"

int vfio_use_say(struct vfio_use *use, const char *what, ...)
{
	struct vfio_problem *problem = use->problem;
	va_list args;
	int len;

	problem->fatal = true;
	len = snprintf(problem->what, sizeof(problem->what), "%s is in use: ", use->name);
	va_start(args, what);
	vsnprintf(problem->what + len, sizeof(problem->what) - len, what, args);
	va_end(args);
	return 1;
}

void vfio_use_remedy(struct vfio_use *use, const char *what, ...)
{
	va_list args;

	va_start(args, what);
	vsnprintf(use->problem->remedy, sizeof(use->problem->remedy), what, args);
	va_end(args);
}

bool vfio_use_has(const struct vfio_use *use, const char *class, const char *name)
{
	char link[PATH_MAX], *target;
	bool below;

	snprintf(link, sizeof(link), "%s/class/%s/%s", use->paths->sys, class, name);
	target = realpath(link, NULL);
	below = target && !strncmp(target, use->folder, strlen(use->folder));
	free(target);
	return below;
}
