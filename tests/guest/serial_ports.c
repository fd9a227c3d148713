/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Speaks on each serial port that is there, and sees what the interrupt of COM1 and COM3 does: it
 * is one edge for both, as long as one of them has something.
 */
#include "guest.h"

#define PIC	  0x20
#define PIC_POLL  0x0c /* OCW3: the next read acknowledges */
#define LINE	  4
#define IER	  1
#define IIR	  2
#define SCRATCH	  7
#define PORT_COM3 0x3e8

static const u16 ports[] = { PORT_COM1, 0x2f8, PORT_COM3, 0x2e8 };

static void put_on(u16 port, const char *text)
{
	for (; *text; text++) {
		while (!(inb(port + 5) & 0x20))
			;
		outb(port, *text);
	}
}

static void speak(unsigned n)
{
	char text[] = "this is port 0\n";

	outb(ports[n] + SCRATCH, 0x50 + n);
	if (inb(ports[n] + SCRATCH) != 0x50 + n)
		return;
	text[13] += n;
	put_on(ports[n], text);
}

/* Whether the line has risen since the last call. */
static int rose(void)
{
	outb(PIC, PIC_POLL);
	return inb(PIC) == (0x80 | LINE);
}

static void say(const char *what, int is)
{
	put(what);
	put(is ? ": yes\n" : ": no\n");
}

/* "Transmitter empty" is there as soon as it is enabled, until it is read. */
static void have_something(u16 port)
{
	outb(port + IER, 0);
	outb(port + IER, 2);
}

void guest_main(const u8 *boot_params)
{
	for (unsigned n = 0; n < sizeof(ports) / sizeof(ports[0]); n++)
		speak(n);
	outb(PORT_PIC_MASK, (u8) ~(1 << LINE));
	rose();
	have_something(PORT_COM1);
	say("COM1 raises the line", rose());
	have_something(PORT_COM3);
	say("COM3 raises it once more", rose());
	inb(PORT_COM1 + IIR);
	have_something(PORT_COM1);
	say("COM1 does while COM3 has something", rose());
	inb(PORT_COM1 + IIR);
	inb(PORT_COM3 + IIR);
	have_something(PORT_COM3);
	say("COM3 does when neither had", rose());
}
