/* SPDX-License-Identifier: BSD-2-Clause */
/* The live view: asked through the control socket, while a driver makes requests. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_rig.h"
#include "test.h"
#include "iommu/view.h"
#include "iommu_driver.h"

#define OK VIRTIO_IOMMU_S_OK

struct watched {
	struct rig rig;
	struct control_rig control;
};

static struct watched the_watched;

/* A control socket for @viommu. */
static void watch(struct viommu *viommu)
{
	control_rig_listen(&the_watched.control, viommu_commands, viommu);
	control_rig_wait(&the_watched.control);
}

/* The VM's loop goes with it. */
static void create_machine(const struct viommu_config *config)
{
	rig_create(&the_watched.rig, config);
	rig_start(&the_watched.rig, ALL_FEATURES);
	control_rig_create(&the_watched.control, the_watched.rig.vm->loop);
	watch(the_watched.rig.viommu);
}

static int start(void **state)
{
	memset(&the_watched, 0, sizeof(the_watched));
	create_machine(NULL);
	*state = &the_watched.rig;
	return 0;
}

static int stop(void **state)
{
	control_rig_destroy(&the_watched.control);
	rig_destroy(&the_watched.rig);
	return 0;
}

/* ---- asking ---- */

static void run_loop(void)
{
	while (loop_poll(the_watched.rig.vm->loop, 0))
		;
}

/* A question on its way; what comes back is read as it comes. */
struct question {
	int fd;
	char *text;
	size_t len;
	bool ended;
};

static void question_hear(struct question *question)
{
	ssize_t got;

	do {
		run_loop();
		question->text = realloc(question->text, question->len + 0x10001);
		assert_non_null(question->text);
		got = recv(question->fd, question->text + question->len, 0x10000, 0);
		question->len += MAX(got, 0);
	} while (got > 0);
	question->text[question->len] = '\0';
	question->ended = !got;
}

static void question_ask(struct question *question, const char *text)
{
	*question = (struct question){ .fd = control_connect(CONTROL_RIG_NAME, NULL) };
	assert_true(question->fd >= 0);
	fcntl(question->fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(send(question->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	question_hear(question);
}

static void question_end(struct question *question)
{
	close(question->fd);
	free(question->text);
}

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void expect(const struct question *question, const char *part)
{
	if (!strstr(question->text, part))
		fail_msg("no %s in: %.2000s", part, question->text);
}

#define SHOW	      "{\"command\":\"iommu-show\"}\n"
#define SHOW_MAPPINGS "{\"command\":\"iommu-show\",\"mappings\":true}\n"
#define TRACE	      "{\"command\":\"iommu-trace\"}\n"
#define FAULT(e, a, dir)                                                                           \
	"{\"command\":\"iommu-fault\",\"endpoint\":\"" e "\",\"address\":\"" a                     \
	"\",\"access\":\"" dir "\"}\n"

/* ---- show ---- */

TEST_WITH(show_tells_what_the_guest_has_made, start, stop)
{
	struct question show;

	assert_int_equal(rig_attach(*state, 7, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_map(*state, 7, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_map(*state, 7, 0x4000, 0x7fff, 0x200000, READ_ONLY), OK);
	question_ask(&show, SHOW);
	assert_true(show.ended);
	expect(&show,
	       "{\"endpoint\":{\"id\":\"0x80000000\",\"name\":\"a\",\"state\":\"translated\","
	       "\"domain\":7,");
	expect(&show, "{\"start\":\"0xfee00000\",\"last\":\"0xfeefffff\",\"type\":\"msi\"}");
	expect(&show,
	       "{\"id\":\"0x80000001\",\"name\":\"b\",\"state\":\"blocked\",\"domain\":null,");
	expect(&show, "{\"domain\":{\"id\":7,\"bypass\":false,\"endpoints\":1,\"mappings\":2,"
		      "\"bytes\":20480}}\n");
	expect(&show, "{\"ok\":true}\n");
	assert_int_equal(count(show.text, "\"mapping\":"), 0);
	question_end(&show);
}

TEST_WITH(show_counts_requests_by_type_and_status, start, stop)
{
	const u8 nonsense[64] = { 0x77 };
	struct question show;
	u8 reply[4];

	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_attach(*state, 1, NO_ENDPOINT, 0), VIRTIO_IOMMU_S_NOENT);
	assert_int_equal(rig_map(*state, 1, 0x1001, 0x1fff, 0, READ_ONLY), VIRTIO_IOMMU_S_RANGE);
	rig_send(*state, nonsense, sizeof(nonsense), reply, sizeof(reply));
	question_ask(&show, SHOW);
	expect(&show, "\"ATTACH\":{\"OK\":2,\"NOENT\":1}");
	expect(&show, "\"MAP\":{\"RANGE\":1}");
	expect(&show, "\"unknown\":{\"unwritten\":1}");
	expect(&show, "\"UNMAP\":{}");
	question_end(&show);
}

TEST_WITH(show_has_a_latency_for_every_request, start, stop)
{
	struct question show;
	u64 total = 0;

	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	for (iova_t page = 0; page < 100; page++)
		assert_int_equal(rig_map(*state, 1, page << 12, page << 12 | 0xfff, 0, READ_ONLY),
				 OK);
	question_ask(&show, SHOW);
	for (const char *at = strstr(show.text, "\"latency\""); at && *at != '\n'; at++) {
		if (!strncmp(at, "\"requests\":", 11))
			total += strtoull(at + 11, NULL, 10);
	}
	assert_int_equal(total, 101);
	question_end(&show);
}

TEST_WITH(a_request_that_waits_is_timed_to_its_end, start, stop)
{
	static const struct dma_segment held[] = { { 0x1800, 0x100 } };
	struct dma_hold hold = { .segments = held, .count = 1 };
	const struct virtio_iommu_req_unmap unmap = { .head.type = VIRTIO_IOMMU_T_UNMAP,
						      .domain = htole32(1),
						      .virt_end = htole64(UINT64_MAX) };
	const struct wire_segment segments[] = { { RIG_REQUEST, 28, false },
						 { RIG_REPLY, 4, true } };
	struct question show;
	u64 longest = 0;

	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	dma_hold(the_watched.rig.a, &hold);
	wire_write(the_watched.rig.vm, RIG_REQUEST, &unmap, 28);
	wire_add(&the_watched.rig.requests, segments, 2);
	wire_kick(&the_watched.rig.requests);
	wire_kick(&the_watched.rig.requests);
	assert_false(wire_has_used(&the_watched.rig.requests));
	usleep(20000);
	dma_drop(the_watched.rig.a, &hold);
	assert_true(wire_used(&the_watched.rig.requests, NULL, NULL));
	question_ask(&show, SHOW);
	for (const char *at = show.text; (at = strstr(at, "{\"ns\":")); at++)
		longest = strtoull(at + 6, NULL, 10);
	assert_in_range(longest, 1 << 24, UINT32_MAX);
	expect(&show, "\"UNMAP\":{\"OK\":1}");
	question_end(&show);
}

TEST_WITH(show_tells_of_domains_in_bypass_and_of_several, start, stop)
{
	struct question show;

	assert_int_equal(rig_attach(*state, 9, ENDPOINT_A, VIRTIO_IOMMU_ATTACH_F_BYPASS), OK);
	assert_int_equal(rig_attach(*state, 3, ENDPOINT_B, 0), OK);
	question_ask(&show, SHOW);
	expect(&show, "{\"domain\":{\"id\":3,\"bypass\":false,\"endpoints\":1,\"mappings\":0,"
		      "\"bytes\":0}}\n"
		      "{\"domain\":{\"id\":9,\"bypass\":true,\"endpoints\":1,\"mappings\":0,"
		      "\"bytes\":0}}\n");
	expect(&show, "\"state\":\"bypass\"");
	question_end(&show);
}

TEST_WITH(the_list_of_mappings_has_each_one_once, start, stop)
{
	const unsigned many = 5000;
	struct question show;
	char line[128];

	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_B, 0), OK);
	for (iova_t n = 0; n < many; n++)
		assert_int_equal(rig_map(*state, 1, n << 13, n << 13 | 0xfff, n << 12, READ_WRITE),
				 OK);
	assert_int_equal(rig_map(*state, 2, -4096ull, UINT64_MAX, 0x08020000, MMIO_WRITE), OK);
	question_ask(&show, SHOW_MAPPINGS);
	assert_true(show.ended);
	assert_int_equal(count(show.text, "{\"mapping\":{\"domain\":1,"), many);
	for (iova_t n = 0; n < many; n += 499) {
		snprintf(
			line, sizeof(line),
			"{\"domain\":1,\"start\":\"0x%llx\",\"last\":\"0x%llx\",\"gpa\":\"0x%llx\","
			"\"access\":\"rw\"}",
			(unsigned long long)n << 13, (unsigned long long)(n << 13 | 0xfff),
			(unsigned long long)n << 12);
		assert_int_equal(count(show.text, line), 1);
	}
	expect(&show,
	       "{\"domain\":2,\"start\":\"0xfffffffffffff000\",\"last\":\"0xffffffffffffffff\","
	       "\"gpa\":\"0x8020000\",\"access\":\"wm\"}");
	expect(&show, "\"mappings\":5000,\"bytes\":20480000}");
	question_end(&show);
}

TEST_WITH(the_whole_space_in_one_mapping_has_a_size, start, stop)
{
	struct viommu_config config = { 0 };
	struct question show;

	/* A guest without a limit to its addresses. */
	stop(state);
	create_machine(&config);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_map(*state, 1, 0, UINT64_MAX, 0, READ_WRITE), OK);
	question_ask(&show, SHOW_MAPPINGS);
	expect(&show, "\"mappings\":1,\"bytes\":9223372036854775807}");
	expect(&show, "\"start\":\"0x0\",\"last\":\"0xffffffffffffffff\"");
	question_end(&show);
}

TEST_WITH(two_halves_of_the_whole_space_have_a_size, start, stop)
{
	const iova_t half = 1ull << 63;
	struct viommu_config config = { 0 };
	struct question show;

	stop(state);
	create_machine(&config);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_map(*state, 1, 0, half - 1, 0, READ_WRITE), OK);
	assert_int_equal(rig_map(*state, 1, half, UINT64_MAX, 0, READ_ONLY), OK);
	question_ask(&show, SHOW_MAPPINGS);
	expect(&show, "\"mappings\":2,\"bytes\":9223372036854775807}");
	expect(&show, "\"last\":\"0xffffffffffffffff\",\"gpa\":\"0x0\",\"access\":\"r\"}");
	question_end(&show);
}

/* More than the answer has room for while nobody reads. */
TEST_WITH(many_endpoints_are_shown_each_once, start, stop)
{
	enum { MANY = 3000 };
	const struct dma_limits limits = { .page_size_mask = ~0xfffull,
					   .aperture = { 0, UINT64_MAX } };
	struct dma_space *space;
	struct question show;

	stop(state);
	memset(&the_watched, 0, sizeof(the_watched));
	rig_create(&the_watched.rig, NULL);
	for (u32 id = 0; id < MANY; id++)
		assert_int_equal(viommu_add_endpoint(the_watched.rig.viommu, id, "one of many",
						     &limits, NULL, &space, NULL),
				 0);
	rig_start(&the_watched.rig, ALL_FEATURES);
	control_rig_create(&the_watched.control, the_watched.rig.vm->loop);
	watch(the_watched.rig.viommu);
	show = (struct question){ .fd = control_connect(CONTROL_RIG_NAME, NULL) };
	fcntl(show.fd, F_SETFL, O_NONBLOCK);
	assert_true(send(show.fd, SHOW, strlen(SHOW), 0) > 0);
	run_loop();
	question_hear(&show);
	assert_true(show.ended);
	assert_int_equal(count(show.text, "\"one of many\""), MANY);
	question_end(&show);
}

TEST_WITH(a_domain_may_die_while_it_is_listed, start, stop)
{
	struct question show;

	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_B, 0), OK);
	for (iova_t n = 0; n < 20000; n++)
		assert_int_equal(rig_map(*state, 1, n << 12, n << 12 | 0xfff, 0, READ_WRITE), OK);
	assert_int_equal(rig_map(*state, 2, 0x1000, 0x1fff, 0, READ_WRITE), OK);
	question_ask(&show, SHOW);
	question_end(&show);
	/* Nobody reads: the answer stands in the middle of domain 1. */
	show = (struct question){ .fd = control_connect(CONTROL_RIG_NAME, NULL) };
	fcntl(show.fd, F_SETFL, O_NONBLOCK);
	assert_true(send(show.fd, SHOW_MAPPINGS, strlen(SHOW_MAPPINGS), 0) > 0);
	run_loop();
	assert_int_equal(rig_detach(*state, 1, ENDPOINT_A), OK);
	question_hear(&show);
	assert_true(show.ended);
	assert_in_range(count(show.text, "{\"mapping\":{\"domain\":1,"), 1, 19999);
	assert_int_equal(count(show.text, "{\"mapping\":{\"domain\":2,"), 1);
	expect(&show, "{\"ok\":true}\n");
	question_end(&show);
}

/* ---- trace ---- */

TEST_WITH(a_trace_tells_of_each_request_and_its_status, start, stop)
{
	u8 properties[2048];
	struct question trace;

	question_ask(&trace, TRACE);
	assert_string_equal(trace.text, "{\"trace\":true}\n");
	assert_false(trace.ended);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_unmap(*state, 1, 0x1800, 0x1fff), VIRTIO_IOMMU_S_RANGE);
	assert_int_equal(rig_probe(*state, ENDPOINT_A, properties), OK);
	assert_int_equal(rig_detach(*state, 1, ENDPOINT_A), OK);
	question_hear(&trace);
	assert_false(trace.ended);
	expect(&trace, "\"what\":\"ATTACH\",\"endpoint\":\"0x80000000\",\"domain\":1,"
		       "\"flags\":\"0x0\",\"status\":\"OK\"}}\n");
	expect(&trace, "\"what\":\"MAP\",\"domain\":1,\"start\":\"0x1000\",\"last\":\"0x1fff\","
		       "\"gpa\":\"0x100000\",\"flags\":\"0x3\",\"status\":\"OK\"}}\n");
	expect(&trace, "\"what\":\"UNMAP\",\"domain\":1,\"start\":\"0x1800\",\"last\":\"0x1fff\","
		       "\"status\":\"RANGE\"}}\n");
	expect(&trace, "\"what\":\"PROBE\",\"endpoint\":\"0x80000000\",\"status\":\"OK\"}}\n");
	expect(&trace, "\"what\":\"DETACH\",\"endpoint\":\"0x80000000\",\"domain\":1,"
		       "\"status\":\"OK\"}}\n");
	assert_int_equal(count(trace.text, "\"event\":"), 5);
	question_end(&trace);
	run_loop();
	/* Nobody listens any more. */
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
}

TEST_WITH(a_trace_tells_of_faults_and_resets, start, stop)
{
	struct question trace;

	question_ask(&trace, TRACE);
	assert_int_equal(rig_dma(the_watched.rig.a, 0x5000, DMA_WRITE), -EFAULT);
	rig_restart(*state, ALL_FEATURES);
	question_hear(&trace);
	expect(&trace, "\"what\":\"FAULT\",\"endpoint\":\"0x80000000\",\"address\":\"0x5000\","
		       "\"access\":\"write\",\"status\":\"DOMAIN\",\"injected\":false}}\n");
	expect(&trace, "\"what\":\"RESET\"}}\n");
	question_end(&trace);
}

TEST_WITH(a_trace_that_is_not_read_counts_what_it_loses, start, stop)
{
	const unsigned events = 20000;
	unsigned told, lost = 0;
	struct question trace;

	question_ask(&trace, TRACE);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	for (unsigned n = 1; n < events; n++) {
		rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE);
		run_loop();
	}
	question_hear(&trace);
	told = count(trace.text, "\"event\":");
	for (const char *at = trace.text; (at = strstr(at, "{\"lost\":")); at++)
		lost += strtoul(at + 8, NULL, 10);
	assert_true(lost > 0);
	assert_int_equal(told + lost, events);
	question_end(&trace);
}

TEST_WITH(two_may_trace_at_once, start, stop)
{
	struct question one, two;

	question_ask(&one, TRACE);
	question_ask(&two, TRACE);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	question_hear(&one);
	question_end(&one);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, 0), OK);
	question_hear(&two);
	assert_int_equal(count(two.text, "ATTACH"), 2);
	question_end(&two);
}

TEST_WITH(a_trace_ends_with_the_vm, start, stop)
{
	struct question trace;

	question_ask(&trace, TRACE);
	control_destroy(the_watched.control.control);
	the_watched.control.control = NULL;
	question_hear(&trace);
	assert_true(trace.ended);
	question_end(&trace);
}

/* ---- fault injection ---- */

TEST_WITH(an_injected_fault_arrives_on_the_event_queue, start, stop)
{
	struct virtio_iommu_fault event;
	struct question fault;

	rig_offer_event(*state, sizeof(event));
	question_ask(&fault, FAULT("0x80000001", "0xdeadb000", "read"));
	assert_string_equal(fault.text, "{\"fault\":\"delivered\"}\n{\"ok\":true}\n");
	assert_true(fault.ended);
	assert_int_equal(rig_event(*state, &event), sizeof(event));
	assert_int_equal(event.reason, VIRTIO_IOMMU_FAULT_R_DOMAIN);
	assert_int_equal(le32toh(event.endpoint), ENDPOINT_B);
	assert_int_equal(le64toh(event.address), 0xdeadb000);
	assert_int_equal(le32toh(event.flags),
			 VIRTIO_IOMMU_FAULT_F_READ | VIRTIO_IOMMU_FAULT_F_ADDRESS);
	/* No access was refused: it is not counted as one. */
	assert_int_equal(rig_counters(*state).faults, 0);
	question_end(&fault);
}

TEST_WITH(an_injected_fault_names_an_endpoint_that_exists, start, stop)
{
	struct question fault;

	question_ask(&fault, FAULT("0x80000099", "0", "read"));
	assert_string_equal(fault.text, "{\"error\":\"no endpoint 0x80000099: there are 0x80000000 "
					"(a), 0x80000001 (b)\"}\n");
	question_end(&fault);
}

TEST_WITH(an_injected_fault_without_a_buffer_is_an_error, start, stop)
{
	struct question fault;

	question_ask(&fault, FAULT("0x80000000", "0x1000", "write"));
	expect(&fault, "{\"error\":\"the guest has no buffer");
	assert_int_equal(rig_counters(*state).reports_dropped, 1);
	question_end(&fault);
}

TEST_WITH(nonsense_is_no_fault, start, stop)
{
	static const char *const requests[] = {
		FAULT("b", "0x1000", "write"),
		FAULT("0x100000000", "0x1000", "write"),
		FAULT("0x80000000", "0x10000000000000000", "write"),
		FAULT("0x80000000", "0x1000", "exec"),
		"{\"command\":\"iommu-fault\"}\n",
		"{\"command\":\"iommu-fault\",\"endpoint\":1,\"address\":[],\"access\":{}}\n",
	};
	struct question fault;

	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		question_ask(&fault, requests[i]);
		expect(&fault, "{\"error\":\"");
		assert_true(fault.ended);
		question_end(&fault);
	}
}

TEST_WITH(a_vm_without_an_iommu_says_so, start, stop)
{
	struct question show;

	control_destroy(the_watched.control.control);
	watch(NULL);
	question_ask(&show, SHOW);
	expect(&show, "{\"error\":\"this VM has no IOMMU");
	question_end(&show);
}
