/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-net on the command line. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/options.h"
#include "net/pcap.h"
#include "util/log.h"
#include "virtio/net.h"
#include "virtio/place.h"
#include "vmm/vm.h"

/* kvmtool's, with the device's number added to the last byte. */
static const u8 first_mac[NET_MAC] = { 0x02, 0x15, 0x15, 0x15, 0x15, 0x15 };

/* A network's program, thread, keeper and capture; for each pair its descriptor, and for each of
 * its two queues an eventfd and one of its vector. */
#define FDS_NETWORK 13
#define FDS_PAIR    5

struct net_state {
	struct net_options options;   /* first: its items count their fields from here */
	struct net_pcap *pcap;	      /* until the back end owns it */
	struct net_backend *backend;  /* until the device owns it */
	struct virtio_device *device; /* the VM's; NULL: not made yet */
	char words[100];
};

/* Nobody spoke of networks: as in kvmtool, there is one of the user's own sockets. */
static bool net_class_unasked(void *arg)
{
	struct net_state *state = arg;

	state->options.mode = NET_USER;
	state->options.on_demand = true;
	if (!net_user_available())
		return true;
	log_info("no network, as there is no lkvm-net-user: --network says which else");
	return false;
}

static void net_class_give_way(void *arg)
{
	((struct net_state *)arg)->options.mode = NET_NONE;
}

static unsigned net_class_slots(const void *arg)
{
	return ((const struct net_state *)arg)->options.mode != NET_NONE;
}

/* Scripts change the host by more than what is gone with our descriptors. */
static bool net_class_gives_back(const void *arg)
{
	const struct net_options *options = &((const struct net_state *)arg)->options;

	return options->mode == NET_TAP && (options->script || options->down_script);
}

static unsigned net_class_fds(const void *arg)
{
	return FDS_NETWORK + FDS_PAIR * ((const struct net_state *)arg)->options.pairs;
}

/* "ip=" as the kernel and initial RAM disks know it. In user mode it is what DHCP gives. */
static const char *net_class_kernel_words(const void *arg)
{
	const struct net_state *state = arg;

	return state->words[0] ? state->words : NULL;
}

static int net_class_set(void *arg, char *value, struct error *err)
{
	struct net_state *state = arg;
	const struct net_options *options = &state->options;
	char guest[INET_ADDRSTRLEN], host[INET_ADDRSTRLEN];
	int ret = net_options_check(&state->options, err);

	if (ret || !options->has_guest_ip || options->mode == NET_USER || options->mode == NET_NONE)
		return ret;
	inet_ntop(AF_INET, &options->guest_ip, guest, sizeof(guest));
	inet_ntop(AF_INET, &options->host_ip, host, sizeof(host));
	snprintf(state->words, sizeof(state->words), "ip=%s::%s:255.255.255.0::eth0:off", guest,
		 host);
	return 0;
}

static int net_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	struct net_state *state = arg;
	struct net_options *options = &state->options;
	/* Once more, with what other options have set. */
	int ret = net_options_check(options, err);

	if (!ret && options->vhost && plan->translated)
		return error_set(err, -EINVAL,
				 "--network vhost=1 with --viommu: the host's kernel does not ask "
				 "the guest's IOMMU: leave one of them out");
	if (!ret && options->capture)
		ret = net_pcap_open(&state->pcap, options->capture, err);
	return ret;
}

static int net_class_claim(void *arg, struct device_plan *plan, struct error *err)
{
	struct net_state *state = arg;

	if (state->options.mode == NET_NONE)
		return 0;
	state->options.give_up_fd = plan->give_up_fd;
	state->options.keeper = plan->keeper;
	return net_open(&state->backend, &state->options, err);
}

static void choose_mac(const struct net_state *state, unsigned n, u8 *mac)
{
	memcpy(mac, first_mac, NET_MAC);
	mac[NET_MAC - 1] += n;
	if (state->backend->has_mac)
		memcpy(mac, state->backend->mac, NET_MAC);
	if (state->options.has_mac)
		memcpy(mac, state->options.mac, NET_MAC);
}

static int begin_capture(struct net_state *state, struct device_host *host)
{
	int ret;

	if (!state->pcap)
		return 0;
	ret = net_pcap_start(state->pcap, host->vm->loop);
	if (!ret)
		ret = net_pcap_wrap(&state->backend, state->pcap, state->backend);
	if (!ret)
		state->pcap = NULL;
	return ret;
}

static int make_device(struct net_state *state, struct device_host *host,
		       const struct device_place *place, struct error *err)
{
	struct virtio_net_options options = {
		.number = host->instance,
		.mtu = state->options.mtu,
		.no_offloads = !state->options.offloads,
	};
	struct net_backend *backend;
	struct virtio_device *device;
	int ret;

	choose_mac(state, host->instance, options.mac);
	ret = begin_capture(state, host);
	if (ret)
		return ret;
	backend = state->backend;
	state->backend = NULL;
	ret = virtio_net_create(&device, backend, &options, host->vm->loop, place->space);
	if (!ret)
		ret = virtio_device_put(device, place, err);
	if (!ret)
		state->device = device;
	return ret;
}

static int net_class_create(void *arg, struct device_host *host, struct error *err)
{
	struct net_state *state = arg;
	const char *is = host->bus == DEVICE_BUS_PCI ? "pci" : "mmio";
	struct device_place place;
	char name[32];
	struct device_want want = { .name = name, .old_rings = state->options.old_rings };
	int ret;

	if (state->options.mode == NET_NONE)
		return 0;
	if (state->options.trans && strcmp(state->options.trans, is))
		log_warning("--network trans=%s: it sits on %s, as --transport says",
			    state->options.trans, is);
	snprintf(name, sizeof(name), "virtio-net %u", host->instance);
	ret = device_place(host, &want, &place, err);
	if (!ret)
		ret = make_device(state, host, &place, err);
	return ret ? error_set(err, ret, "cannot make %s: %s", name, strerror(-ret)) : 0;
}

static void net_class_report(const void *arg, struct counters *counters)
{
	const struct net_state *state = arg;

	if (state->device)
		virtio_net_count(state->device, counters);
}

static void net_class_release(void *arg)
{
	struct net_state *state = arg;

	net_close(state->backend);
	net_pcap_close(state->pcap);
}

static const struct option_spec net_class_options[] = {
	{ 'n', "network", OPTION_LIST, "KEY=VALUE,...",
	  .help = "virtio-net (without -n: one of mode=user); again for more",
	  .manual =
		  "A virtio-net device and the network behind it; can be given again. Without this "
		  "option there is one of mode=user, if lkvm-net-user is there and the machine "
		  "has room for it; with it the mode is tap unless another is said.",
	  .items = net_option_items, .set = net_class_set, .optional = true, .many = true },
	{ 0, "pcap", OPTION_FILE, "FILE", "write what passes on the network to FILE",
	  .manual = "Write what passes on the network that was given last, or will be given first, "
		    "to "
		    "FILE, which is new, empty, a capture, or a pipe that somebody reads.",
	  OPTION_FIELD(struct net_state, options.capture), .many = true },
	{ 0 },
};

const struct device_class virtio_net_class = {
	.name = "virtio-net",
	.module = "virtio_net",
	.options = net_class_options,
	.count = DEVICE_EACH,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct net_state),
	.unasked = net_class_unasked,
	.give_way = net_class_give_way,
	.slots = net_class_slots,
	.fds = net_class_fds,
	.gives_back = net_class_gives_back,
	.kernel_words = net_class_kernel_words,
	.prepare = net_class_prepare,
	.claim = net_class_claim,
	.create = net_class_create,
	.report = net_class_report,
	.release = net_class_release,
};
