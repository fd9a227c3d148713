/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "PCI Device Layout": the structures that the capabilities point to. */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "pci_state.h"
#include "util/range.h"

/* ---- reset, interrupts ---- */

/* "On reset, specifies the maximum queue size"; "all queue ... events are unmapped upon reset". */
static void forget_queue(struct virtio_pci *pci, unsigned n)
{
	struct virtq *queue = &pci->transport.virtio->queues[n];

	queue->size = queue->max;
	pci->queues[n].vector = VIRTIO_MSI_NO_VECTOR;
}

void virtio_pci_forget(struct virtio_pci *pci)
{
	for (unsigned i = 0; i < pci->transport.virtio->queue_count; i++)
		forget_queue(pci, i);
	pci->config_vector = VIRTIO_MSI_NO_VECTOR;
	pci->isr = 0;
}

static void virtio_pci_reset(struct virtio_pci *pci)
{
	if (!transport_reset(&pci->transport))
		return;
	virtio_pci_forget(pci);
	virtio_pci_update_intx(pci);
}

void virtio_pci_interrupts_moved(struct virtio_pci *pci)
{
	struct virtio_device *virtio = pci->transport.virtio;

	if (virtio->ops->interrupts_moved && transport_live(&pci->transport))
		virtio->ops->interrupts_moved(virtio);
}

void virtio_pci_update_intx(struct virtio_pci *pci)
{
	pci_intx(&pci->function, pci->isr && !msix_is_enabled(pci->function.msix));
}

/* ---- common configuration ---- */

/*
 * "PCI Device Layout": fields are accessed at their own width, those of 64 bits as two
 * of 32. 0: no field begins here.
 */
static unsigned field_width(u64 offset)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_STATUS:
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_NUMQ:
	case VIRTIO_PCI_COMMON_Q_SELECT:
	case VIRTIO_PCI_COMMON_Q_SIZE:
	case VIRTIO_PCI_COMMON_Q_MSIX:
	case VIRTIO_PCI_COMMON_Q_ENABLE:
	case VIRTIO_PCI_COMMON_Q_NOFF:
	case VIRTIO_PCI_COMMON_Q_NDATA:
	case VIRTIO_PCI_COMMON_Q_RESET:
		return 2;
	default:
		return offset < VIRTIO_PCI_COMMON_Q_NDATA && is_aligned(offset, 4) ? 4 : 0;
	}
}

/* Unavailable queues are all zero, but for the vector that they do not have. */
static u32 read_queue(struct virtio_pci *pci, u64 offset)
{
	const struct virtq *queue = transport_queue(&pci->transport);

	if (!queue)
		return offset == VIRTIO_PCI_COMMON_Q_MSIX ? VIRTIO_MSI_NO_VECTOR : 0;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return queue->size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return pci->queues[pci->transport.queue_sel].vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return transport_queue_enabled(queue);
	case VIRTIO_PCI_COMMON_Q_RESET:
		return queue->stopping;
	case VIRTIO_PCI_COMMON_Q_NOFF:
	/* "This can be simply equal to virtqueue index", and so is right without the feature. */
	case VIRTIO_PCI_COMMON_Q_NDATA:
		return pci->transport.queue_sel;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return queue->desc_area;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return queue->desc_area >> 32;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return queue->driver_area;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return queue->driver_area >> 32;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return queue->device_area;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return queue->device_area >> 32;
	default:
		return 0;
	}
}

static u32 read_common(struct virtio_pci *pci, u64 offset)
{
	struct transport *transport = &pci->transport;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return transport->device_features_sel;
	case VIRTIO_PCI_COMMON_DF:
		return transport_device_features(transport);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return transport->driver_features_sel;
	case VIRTIO_PCI_COMMON_GF:
		return transport_driver_features(transport);
	case VIRTIO_PCI_COMMON_MSIX:
		return pci->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return transport->virtio->queue_count;
	case VIRTIO_PCI_COMMON_STATUS:
		return transport_read_status(transport);
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return pci->generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return transport->queue_sel;
	default:
		return read_queue(pci, offset);
	}
}

/* "Devices MUST report mapping failures by returning the NO_VECTOR value". */
static u16 mapped_vector(const struct virtio_pci *pci, u32 vector)
{
	return vector < msix_count(pci->function.msix) ? vector : VIRTIO_MSI_NO_VECTOR;
}

/* "The driver MUST configure the other virtqueue fields before enabling the virtqueue". */
static void write_queue_layout(const struct transport *transport, struct virtq *queue, u64 offset,
			       u32 value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		transport_set_queue_size(transport, queue, value);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		transport_set_low(&queue->desc_area, value);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		transport_set_high(&queue->desc_area, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		transport_set_low(&queue->driver_area, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		transport_set_high(&queue->driver_area, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		transport_set_low(&queue->device_area, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		transport_set_high(&queue->device_area, value);
		break;
	}
}

static void reset_queue(struct virtio_pci *pci, struct virtq *queue)
{
	/* Another may be selected when it is over. */
	u32 n = pci->transport.queue_sel;

	if (virtio_has_feature(pci->transport.virtio, VIRTIO_F_RING_RESET) &&
	    transport_reset_queue(&pci->transport, queue))
		forget_queue(pci, n);
}

static void write_queue(struct virtio_pci *pci, u64 offset, u32 value)
{
	struct virtq *queue = transport_queue(&pci->transport);

	if (!queue)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_MSIX:
		pci->queues[pci->transport.queue_sel].vector = mapped_vector(pci, value);
		virtio_pci_interrupts_moved(pci);
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		/* "The driver MUST NOT write a 0": it stays as it is. */
		if (value == 1)
			transport_enable_queue(&pci->transport, queue);
		break;
	case VIRTIO_PCI_COMMON_Q_RESET:
		if (value == 1)
			reset_queue(pci, queue);
		break;
	default:
		if (!transport_queue_enabled(queue))
			write_queue_layout(&pci->transport, queue, offset, value);
	}
}

static void write_common(struct virtio_pci *pci, u64 offset, u32 value)
{
	struct transport *transport = &pci->transport;

	/* "The device stops": nothing but its reset. */
	if (virtio_device_is_inert(transport->virtio) && offset != VIRTIO_PCI_COMMON_STATUS)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		transport->device_features_sel = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		transport->driver_features_sel = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		transport_write_features(transport, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		pci->config_vector = mapped_vector(pci, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		if (value)
			transport_write_status(transport, value);
		else
			virtio_pci_reset(pci);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		transport->queue_sel = value;
		break;
	default:
		write_queue(pci, offset, value);
	}
}

/* ---- the other structures ---- */

/* "ISR status capability": a byte, and "simply reading this register resets it to 0". */
static u8 read_isr(struct virtio_pci *pci, u64 offset, unsigned len)
{
	u8 isr = pci->isr;

	if (offset || len != 1)
		return 0;
	pci->isr = 0;
	virtio_pci_update_intx(pci);
	return isr;
}

/*
 * config_generation has 8 bits and would come round if it counted changes. It counts
 * those that the driver sees, which cannot happen 256 times between two looks at it.
 */
static u64 read_device(struct virtio_pci *pci, u64 offset, unsigned len)
{
	if (pci->seen_generation != pci->transport.virtio->generation) {
		pci->seen_generation = pci->transport.virtio->generation;
		pci->generation++;
	}
	return transport_config_read(&pci->transport, offset, len);
}

/*
 * "Available Buffer Notifications": the index of the queue whose address this is, in 16 bits, or 32
 * with VIRTIO_F_NOTIFICATION_DATA. With VIRTIO_F_NOTIF_CONFIG_DATA it is our queue_notify_data,
 * which is the index, too.
 */
static void notified(struct virtio_pci *pci, u64 offset, u64 value, unsigned len)
{
	const bool data = virtio_has_feature(pci->transport.virtio, VIRTIO_F_NOTIFICATION_DATA);
	const u32 queue = transport_kicked_queue(&pci->transport, value);

	if (len == (data ? 4 : 2) && offset == (u64)queue * PCI_NOTIFY_STEP)
		transport_notified(&pci->transport, queue);
}

u64 virtio_pci_read(struct virtio_pci *pci, u64 offset, unsigned len)
{
	u64 within = offset % PCI_PAGE;

	switch (offset - within) {
	case PCI_AT_COMMON:
		return len == field_width(within) ? read_common(pci, within) : 0;
	case PCI_AT_ISR:
		return read_isr(pci, within, len);
	case PCI_AT_DEVICE:
		return read_device(pci, within, len);
	default:
		return 0;
	}
}

void virtio_pci_write(struct virtio_pci *pci, u64 offset, u64 value, unsigned len)
{
	u64 within = offset % PCI_PAGE;

	switch (offset - within) {
	case PCI_AT_COMMON:
		if (len == field_width(within))
			write_common(pci, within, value);
		break;
	case PCI_AT_DEVICE:
		transport_config_write(&pci->transport, within, value, len);
		break;
	case PCI_AT_NOTIFY:
		notified(pci, within, value, len);
		break;
	}
}
