/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "iommu/viommu.h"
#include "util/parse.h"

static const char *const names[] = { "bypass", "max-mappings", "msi", NULL };

/* Which of two words @value is; -EINVAL with a line. */
static int parse_choice(const char *option, const char *value, const char *no, const char *yes,
			bool *out, struct error *err)
{
	if (!value || (strcmp(value, no) && strcmp(value, yes)))
		return error_set(err, -EINVAL, "--viommu %s: it is %s=%s or %s=%s", option, option,
				 no, option, yes);
	*out = !strcmp(value, yes);
	return 0;
}

static int parse_option(struct viommu_config *config, const char *option, const char *value,
			struct error *err)
{
	const char *near;

	if (!strcmp(option, "bypass"))
		return parse_choice(option, value, "off", "on", &config->bypass, err);
	if (!strcmp(option, "msi"))
		return parse_choice(option, value, "window", "map", &config->msi_map, err);
	if (!strcmp(option, "max-mappings")) {
		if (!value || parse_u64(value, UINT32_MAX, &config->max_mappings) ||
		    !config->max_mappings)
			return error_set(err, -EINVAL,
					 "--viommu max-mappings: it is a number, 1 to %u",
					 UINT32_MAX);
		return 0;
	}
	near = parse_nearest(option, names);
	if (near)
		return error_set(err, -EINVAL, "--viommu: no option \"%s\"; did you mean \"%s\"?",
				 option, near);
	return error_set(err, -EINVAL,
			 "--viommu: no option \"%s\"; there are bypass=on|off, max-mappings=N "
			 "and msi=map|window",
			 option);
}

int viommu_parse_options(struct viommu_config *config, char *text, struct error *err)
{
	char *option, *value;
	unsigned given = 0;

	*config = (struct viommu_config){ .max_mappings = VIOMMU_DEFAULT_MAPPINGS };
	while ((option = parse_next_option(&text, &value))) {
		int ret = parse_option(config, option, value, err);

		for (unsigned i = 0; !ret && names[i]; i++) {
			if (strcmp(option, names[i]))
				continue;
			if (given & 1U << i)
				return error_set(err, -EINVAL, "--viommu: %s is given twice",
						 option);
			given |= 1U << i;
		}
		if (ret)
			return ret;
	}
	return 0;
}
