/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "util/clock.h"
#include "util/thread.h"
#include "poller.h"
#include "queue_ring.h"
#include "transport.h"
#include "util/relax.h"
#include "vmm/vm.h"

#define US 1000ULL
#define MS 1000000ULL

/* Kicks that come densely before a poller begins; more for one that began for little. */
#define KICKS_FEW  4
#define KICKS_MANY 64
/* It was worth it to begin when as many changes were found. */
#define WORTH_IT 16
/* It waits for twice the longest gap of late, and at least for this. */
#define SHORTEST_WAIT (20 * US)
/* How fast a long gap is forgotten: by 1/32 with each request. */
#define FORGET 32
/* Looks between two looks at the clock: a microsecond or so. */
#define LOOKS 16
/* Looks for the VM lock before it is waited for. */
#define LOCK_LOOKS 200
/* The processor was taken from us, or from the machine that we run on, for as long. */
#define LATE (500 * US)
/* Between two questions whether it was. */
#define ASK_AGAIN (100 * US)
/* Somebody else ran while we offered the processor. */
#define YIELD_LATE (30 * US)
/* How long not to begin again where processors are short: doubled each time, up to the second. */
#define HOLD_OFF      (10 * MS)
#define HOLD_OFF_LAST (1000 * MS)

struct poller {
	struct transport *transport;
	poller_serve *serve;
	struct virtio_poll *options; /* the device's; its counters are under the VM lock */
	pthread_t thread;
	bool has_thread;
	sem_t wake; /* posted when it shall begin, or quit; once too often is no harm */
	atomic_bool quit;

	/* Under the VM lock. */
	bool active; /* it has begun, or is about to */
	u64 last;    /* when a request was last heard of; CLOCK_MONOTONIC, in ns as all of these */
	u64 longest; /* gap of late, of those within the limit */
	unsigned streak;   /* kicks that followed each other within the limit */
	unsigned needed;   /* how many of them it takes to begin */
	u64 not_before;	   /* processors are short until then, at least */
	u64 hold_off;	   /* the last such time's length; 0: none of late */
	cpu_set_t drivers; /* processors of the thread whose kick has made it begin */

	/*
	 * What is looked at, NULL: nothing; and what is there as long as nothing has come. Set
	 * under the VM lock, @base first: whoever reads an @at has a @base that is as new. An older
	 * @at with a newer @base is a look for nothing, or one that the next look makes good.
	 */
	const u16 *_Atomic at;
	_Atomic u16 base;
	/* The thread has read @at, or is about to, and uses it. */
	atomic_bool looking;
};

/* From the begin to the end of polling; the thread's alone. */
struct session {
	u16 seen;	/* what was there at the last look */
	unsigned found; /* changes */
	u64 last;	/* when the last one was found */
	u64 wait;	/* how long to wait for the next one */
	u64 now;	/* at the last look at the clock */
	u64 asked;	/* when we last asked whether we were preempted */
	long preempted; /* and what the answer was */
};

static u64 limit(const struct poller *poller)
{
	return poller->options->limit_us * US;
}

static bool is_adaptive(const struct poller *poller)
{
	return poller->options->mode == VIRTIO_POLL_AUTO;
}

static struct virtq *queue_of(const struct poller *poller)
{
	return &poller->transport->virtio->queues[poller->options->queue];
}

/* ---- how dense requests are: VM lock held ---- */

static void note_request(struct poller *poller, u64 now)
{
	u64 gap = now - poller->last;

	poller->last = now;
	if (gap > limit(poller)) {
		poller->streak = 0;
		return;
	}
	poller->streak++;
	poller->longest = gap > poller->longest ? gap : poller->longest - poller->longest / FORGET;
}

static u64 time_to_wait(const struct poller *poller)
{
	if (!is_adaptive(poller))
		return limit(poller);
	return MIN(MAX(2 * poller->longest, SHORTEST_WAIT), limit(poller));
}

/* What the session was worth decides how readily the next one begins. */
static void judge(struct poller *poller, unsigned found, bool crowded)
{
	poller->streak = 0;
	if (!is_adaptive(poller))
		return;
	if (found < WORTH_IT) {
		poller->needed = MIN(poller->needed * 2, KICKS_MANY);
		return;
	}
	poller->needed = KICKS_FEW;
	if (!crowded)
		poller->hold_off /= 2;
}

static void hold_off(struct poller *poller, u64 now)
{
	poller->options->crowded++;
	poller->hold_off = MIN(MAX(poller->hold_off * 2, HOLD_OFF), HOLD_OFF_LAST);
	poller->not_before = now + poller->hold_off;
}

/* ---- whether there is a processor to spare ---- */

/*
 * Where this thread may run. A host with more processors than a cpu_set_t has room for has enough
 * of them: all that there is room for.
 */
static void get_processors(cpu_set_t *set)
{
	if (sched_getaffinity(0, sizeof(*set), set))
		memset(set, 0xff, sizeof(*set));
}

/* The driver would wait for us, and we for the driver, if both are bound to one processor. */
static bool is_one_processor(const struct poller *poller)
{
	cpu_set_t set;

	get_processors(&set);
	CPU_OR(&set, &set, &poller->drivers);
	return CPU_COUNT(&set) < 2;
}

/* Offer ours: it takes time if somebody wants it. Asked before the driver relies on us. */
static bool is_crowded_now(void)
{
	u64 before = now_ns();

	sched_yield();
	return now_ns() - before > YIELD_LATE;
}

static long times_preempted(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nivcsw;
}

/* Since the last call: the clock jumped between two looks, or the scheduler says so. */
static bool was_preempted(struct session *session, u64 now)
{
	bool late = now - session->now > LATE;
	long before = session->preempted;

	session->now = now;
	if (now - session->asked > ASK_AGAIN) {
		session->asked = now;
		session->preempted = times_preempted();
	}
	return late || session->preempted != before;
}

/* ---- the thread ---- */

static void take_lock(struct poller *poller)
{
	struct vm *vm = poller->transport->vm;

	/* A guest that keeps the ring full would have us take it again and again. */
	loop_give_way(vm->loop);
	for (unsigned i = 0; i < LOCK_LOOKS; i++) {
		if (!pthread_mutex_trylock(&vm->lock))
			return;
		cpu_relax();
	}
	vm_lock(vm);
}

/* VM lock held: nobody looks, and the driver is to be asked for kicks. */
static void deactivate(struct poller *poller)
{
	poller->active = false;
	atomic_store(&poller->at, NULL);
	virtq_set_polled(queue_of(poller), false);
}

/* The same, and serve: whoever finds the queue empty asks, and then looks once more. */
static void end_session(struct poller *poller, const struct session *session, bool crowded)
{
	deactivate(poller);
	judge(poller, session->found, crowded);
	if (crowded)
		hold_off(poller, session->now);
	poller->serve(poller->transport, poller->options->queue);
}

/*
 * VM lock held: do what a kick would have done, and have the place at hand that is to be looked at.
 * False: there is none, or the device has stopped, and polling has ended.
 */
static bool serve_queue(struct poller *poller, struct session *session)
{
	u16 seen = session->seen;
	const u16 *at;
	bool lives;

	virtq_set_polled(queue_of(poller), true);
	lives = poller->serve(poller->transport, poller->options->queue);
	/* A change of the guest's mind in the midst of it ended us. */
	if (!poller->active)
		return false;
	at = lives ? virtq_watch(queue_of(poller), &seen) : NULL;
	if (!at) {
		end_session(poller, session, false);
		return false;
	}
	atomic_store(&poller->base, seen);
	atomic_store(&poller->at, at);
	session->wait = time_to_wait(poller);
	session->last = session->now = now_ns();
	return true;
}

enum look { NOTHING, CHANGED, STOPPED };

/*
 * For a microsecond or so. Either the thread that takes @at away sees that we look, and waits, or
 * we see that it was taken away: both sides write first and then read, and all four accesses are
 * sequentially consistent.
 */
static enum look look(struct poller *poller, struct session *session)
{
	enum look result = NOTHING;
	const u16 *at;
	u16 base, value;

	atomic_store(&poller->looking, true);
	at = atomic_load(&poller->at);
	value = base = atomic_load(&poller->base);
	for (unsigned i = 0; at && i < LOOKS && value == base; i++) {
		if (i)
			cpu_relax();
		value = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	}
	atomic_store_explicit(&poller->looking, false, memory_order_release);
	if (!at)
		return STOPPED;
	if (value != base)
		result = CHANGED;
	session->seen = value;
	return result;
}

/* False: polling has ended. */
static bool serve_change(struct poller *poller, struct session *session)
{
	bool goes_on;

	take_lock(poller);
	goes_on = poller->active;
	if (goes_on) {
		session->found++;
		poller->options->found++;
		note_request(poller, now_ns());
		goes_on = serve_queue(poller, session);
	}
	vm_unlock(poller->transport->vm);
	return goes_on;
}

/* Whether it is time to end, and then end. */
static bool ends(struct poller *poller, struct session *session)
{
	const u64 now = now_ns();
	bool crowded = was_preempted(session, now) && is_adaptive(poller);

	if (!crowded && now - session->last < session->wait)
		return false;
	take_lock(poller);
	if (poller->active)
		end_session(poller, session, crowded);
	vm_unlock(poller->transport->vm);
	return true;
}

static void watch(struct poller *poller, struct session *session)
{
	for (;;) {
		switch (look(poller, session)) {
		case STOPPED:
			return;
		case CHANGED:
			if (!serve_change(poller, session))
				return;
			break;
		case NOTHING:
			if (ends(poller, session))
				return;
		}
	}
}

/* From here on the driver relies on us. False: we cannot, or shall not. */
static bool begin_session(struct poller *poller, struct session *session)
{
	bool crowded = is_adaptive(poller) && is_crowded_now();
	const u16 *at = NULL;

	*session = (struct session){ .now = now_ns(), .preempted = times_preempted() };
	session->asked = session->now;
	take_lock(poller);
	if (poller->active && (crowded || is_one_processor(poller))) {
		poller->active = false;
		hold_off(poller, session->now);
	} else if (poller->active) {
		at = virtq_watch(queue_of(poller), &session->seen);
		poller->active = at;
		/* A ring in several places: not worth a wake-up at each kick. */
		if (!at)
			hold_off(poller, session->now);
	}
	if (at) {
		poller->options->sessions++;
		/* What comes after this look is found by the next one; what is there, now. */
		session->seen = __atomic_load_n(at, __ATOMIC_ACQUIRE);
		at = serve_queue(poller, session) ? at : NULL;
	}
	vm_unlock(poller->transport->vm);
	return at;
}

static void *poller_main(void *arg)
{
	struct poller *poller = arg;
	struct session session;

	prctl(PR_SET_NAME, "poller");
	thread_confine(THREAD_VCPU);
	for (;;) {
		while (sem_wait(&poller->wake))
			;
		if (atomic_load(&poller->quit))
			return NULL;
		if (begin_session(poller, &session))
			watch(poller, &session);
	}
}

/* With every signal blocked: they are the main thread's. */
static int start_thread(struct poller *poller)
{
	sigset_t old;
	int ret;

	thread_block_signals(&old);
	ret = thread_start(&poller->thread, NULL, poller_main, poller);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return ret;
	poller->has_thread = true;
	return 0;
}

/* ---- for the transport ---- */

void poller_kicked(struct poller *poller)
{
	const u64 now = now_ns();

	note_request(poller, now);
	if (poller->active || now < poller->not_before || poller->streak + 1 < poller->needed)
		return;
	/* Without a thread each request has its exit, as if nobody had asked for more. */
	if (!poller->has_thread && start_thread(poller)) {
		hold_off(poller, now);
		return;
	}
	get_processors(&poller->drivers);
	poller->active = true;
	sem_post(&poller->wake);
}

void poller_served(struct poller *poller)
{
	const u16 *at;
	u16 base;

	/* Before its thread has begun, or after, there is nothing to move. */
	if (!poller || !poller->active || !poller->at)
		return;
	base = poller->base;
	at = virtq_watch(queue_of(poller), &base);
	if (!at)
		return;
	/*
	 * The place may be the same, with other contents: one serve of all descriptors that a
	 * packed ring has ends where it began.
	 */
	atomic_store(&poller->base, base);
	atomic_store(&poller->at, at);
}

void poller_stop(struct poller *poller)
{
	if (!poller || !poller->active)
		return;
	deactivate(poller);
	while (atomic_load(&poller->looking))
		sched_yield();
}

int poller_create(struct poller **out, struct transport *transport, poller_serve *serve)
{
	struct poller *poller = calloc(1, sizeof(*poller));

	if (!poller)
		return -ENOMEM;
	poller->transport = transport;
	poller->serve = serve;
	poller->options = &transport->virtio->poll;
	poller->needed = is_adaptive(poller) ? KICKS_FEW : 1;
	sem_init(&poller->wake, 0, 0);
	*out = poller;
	return 0;
}

void poller_destroy(struct poller *poller)
{
	if (!poller)
		return;
	atomic_store(&poller->quit, true);
	sem_post(&poller->wake);
	if (poller->has_thread)
		pthread_join(poller->thread, NULL);
	sem_destroy(&poller->wake);
	free(poller);
}
