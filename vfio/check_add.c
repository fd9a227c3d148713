/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "check.h"

static struct vfio_problem *next_problem(struct vfio_check *check)
{
	if (check->count == VFIO_MAX_PROBLEMS)
		check->count--;
	return &check->problems[check->count++];
}

void vfio_check_add(struct vfio_check *check, bool fatal, const char *what, ...)
{
	struct vfio_problem *problem = next_problem(check);
	va_list args;

	problem->fatal = fatal;
	problem->remedy[0] = '\0';
	va_start(args, what);
	vsnprintf(problem->what, sizeof(problem->what), what, args);
	va_end(args);
}

void vfio_check_remedy(struct vfio_check *check, const char *remedy, ...)
{
	struct vfio_problem *problem = &check->problems[check->count - 1];
	va_list args;

	va_start(args, remedy);
	vsnprintf(problem->remedy, sizeof(problem->remedy), remedy, args);
	va_end(args);
}

void vfio_check_add_problem(struct vfio_check *check, const struct vfio_problem *problem)
{
	*next_problem(check) = *problem;
}
