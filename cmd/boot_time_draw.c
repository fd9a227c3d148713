/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "boot_time_draw.h"

/* In pixels. */
#define LEFT  190 /* of the bars: names are there */
#define BARS  560
#define RIGHT 120
#define ROW   24
#define TOP   44

static void draw_row(FILE *out, const struct boot_stage *stage, u64 from, u64 all, unsigned row)
{
	double x = LEFT + (double)BARS * from / all;
	double width = (double)BARS * (stage->ns - from) / all;
	unsigned y = TOP + row * ROW;

	fprintf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%s</text>\n", LEFT - 8, y + 16,
		stage->name);
	fprintf(out, "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%u\" fill=\"%s\"/>\n", x,
		y + 4, width < 1 ? 1 : width, ROW - 8,
		stage->kernel_us >= 0 ? "#d98200" : "#3070b0");
	fprintf(out, "<text x=\"%.1f\" y=\"%u\">%.1f ms</text>\n", x + width + 4, y + 16,
		(stage->ns - from) / 1e6);
}

void boot_time_make_drawing(const struct boot_stage *stages, unsigned count, char *text,
			    size_t size)
{
	u64 all = count && stages[count - 1].ns ? stages[count - 1].ns : 1, from = 0;
	FILE *out = fmemopen(text, size, "w");

	*text = '\0';
	if (!out)
		return;
	fprintf(out,
		BOOT_DRAWING_START
		" xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		"<text x=\"%u\" y=\"24\" font-size=\"14\">lkvm run: %.1f ms, what led to each "
		"stage</text>\n",
		LEFT + BARS + RIGHT, TOP + count * ROW + 12, LEFT, all / 1e6);
	for (unsigned i = 0; i < count; i++) {
		draw_row(out, &stages[i], from, all, i);
		from = stages[i].ns;
	}
	fprintf(out, "</svg>\n");
	fclose(out);
	text[size - 1] = '\0';
}
