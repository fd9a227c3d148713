/* SPDX-License-Identifier: BSD-2-Clause */
/* Where in the file a cluster of the disk is: the L1 and L2 tables. */
#include <errno.h>
#include <string.h>

#include "qcow2.h"
#include "util/range.h"

#define L1_RESERVED 0x7f000000000001ffULL
#define L2_RESERVED 0x3f000000000001feULL

/* A whole cluster that may hold what the guest or we put there. */
static bool is_in_file(const struct qcow2 *q, u64 offset)
{
	const struct qcow2_header *h = &q->header;
	u64 size = q->cluster_size, last = offset + size - 1;

	if (offset < size || !is_aligned(offset, size) || offset / size >= q->end)
		return false;
	if (h->l1_entries &&
	    range_overlaps(offset, last, h->l1_offset, h->l1_offset + h->l1_entries * 8ULL - 1))
		return false;
	return !range_overlaps(offset, last, q->reftable_offset,
			       q->reftable_offset + q->reftable_entries * 8 - 1);
}

static bool decode_packed(const struct qcow2 *q, u64 entry, struct qcow2_place *place)
{
	unsigned bits = 62 - (q->header.cluster_bits - 8);
	u64 sectors = ((entry & (QCOW2_COMPRESSED - 1)) >> bits) + 1;

	place->type = QCOW2_IS_PACKED;
	place->host = entry & ((1ULL << bits) - 1);
	place->packed = sectors * DISK_SECTOR - place->host % DISK_SECTOR;
	place->copied = false;
	/* The last sector may be cut short by the end of the file, and no more than that. */
	return !(entry & QCOW2_COPIED) && place->host >= q->cluster_size &&
	       place->host < 1ULL << 56 &&
	       (place->host + place->packed - 1) / q->cluster_size < q->end;
}

bool qcow2_decode(const struct qcow2 *q, u64 entry, struct qcow2_place *place)
{
	place->entry = entry;
	if (entry & QCOW2_COMPRESSED)
		return decode_packed(q, entry, place);
	place->host = entry & QCOW2_OFFSET_MASK;
	place->packed = 0;
	place->copied = entry & QCOW2_COPIED;
	place->type = entry & QCOW2_ZERO ? QCOW2_IS_ZERO
					 : (place->host ? QCOW2_IS_DATA : QCOW2_IS_NOTHING);
	if (entry & L2_RESERVED || (entry & QCOW2_ZERO && q->header.version == 2))
		return false;
	return place->host ? is_in_file(q, place->host) : !place->copied;
}

bool qcow2_decode_l1(const struct qcow2 *q, u64 entry, u64 *table)
{
	*table = entry & QCOW2_OFFSET_MASK;
	if (entry & L1_RESERVED)
		return false;
	return *table ? is_in_file(q, *table) : !(entry & QCOW2_COPIED);
}

bool qcow2_is_backed(const struct qcow2 *q, u64 offset)
{
	return q->image->backing && offset < q->image->backing->info.size;
}

bool qcow2_reads_zero(const struct qcow2 *q, u64 guest_cluster, const struct qcow2_place *place)
{
	return place->type == QCOW2_IS_ZERO ||
	       (place->type == QCOW2_IS_NOTHING &&
		!qcow2_is_backed(q, guest_cluster * q->cluster_size));
}

bool qcow2_is_in_place(const struct qcow2_place *place)
{
	return place->type == QCOW2_IS_DATA && place->copied;
}

bool qcow2_is_claimed(const struct qcow2 *q, u64 guest_cluster)
{
	for (const struct qcow2_claim *claim = q->claims; claim; claim = claim->next) {
		if (guest_cluster >= claim->first && guest_cluster <= claim->last)
			return true;
	}
	return false;
}

static void set_table(struct qcow2_place *place, u64 l1, u64 table)
{
	place->own_table = l1 & QCOW2_COPIED ? table : 0;
	place->copied &= !!(l1 & QCOW2_COPIED);
}

static bool peek_entry(struct qcow2 *q, u64 table, u64 n, u64 *entry)
{
	const u8 *data = qcow2_cache_peek(q, table + n * 8);

	if (!data)
		return false;
	memcpy(entry, data, sizeof(*entry));
	*entry = be64toh(*entry);
	return true;
}

bool qcow2_peek(struct qcow2 *q, u64 guest_cluster, struct qcow2_place *place)
{
	u64 l1, l2, table;

	if (!peek_entry(q, q->header.l1_offset, guest_cluster / q->l2_entries, &l1) ||
	    !qcow2_decode_l1(q, l1, &table))
		return false;
	if (!table) {
		place->own_table = 0;
		return qcow2_decode(q, 0, place);
	}
	if (!peek_entry(q, table, guest_cluster % q->l2_entries, &l2) ||
	    !qcow2_decode(q, l2, place))
		return false;
	set_table(place, l1, table);
	return true;
}

int qcow2_find(struct qcow2 *q, u64 guest_cluster, struct qcow2_place *place)
{
	u64 l1, l2 = 0, table;
	int ret = qcow2_entry_get(q, QCOW2_L1, q->header.l1_offset, guest_cluster / q->l2_entries,
				  &l1);

	if (ret)
		return ret;
	if (!qcow2_decode_l1(q, l1, &table))
		return qcow2_complain(q, "the qcow2 image is corrupt: an L1 entry is", l1);
	if (table)
		ret = qcow2_entry_get(q, QCOW2_L2, table, guest_cluster % q->l2_entries, &l2);
	if (ret)
		return ret;
	if (!qcow2_decode(q, l2, place))
		return qcow2_complain(q, "the qcow2 image is corrupt: an L2 entry is", l2);
	set_table(place, l1, table);
	return 0;
}
